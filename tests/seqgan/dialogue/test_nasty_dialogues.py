"""Inputs that readers of dialogues misread: right values, or one sentence with a way out."""

import gzip
import json
from collections.abc import Mapping

import pytest

from image_core.adversarial.errors import UserError
from seqgan.commands.look import run as look
from seqgan.dialogue.reading import read_dialogues
from seqgan.dialogue.turns import pairs_of


def rows(*values):
    return "".join(json.dumps(value) + "\n" for value in values)


def chat(*said, key="messages", role="role", text="content"):
    """A record of messages, (role, content) each."""
    return {key: [{role: who, text: what} for who, what in said]}


def U(*texts):
    """Turns of user and assistant in turn."""
    return [(("user", "assistant")[i % 2], text) for i, text in enumerate(texts)]


HI = U("hi", "hello")
PAIR = chat(*HI)["messages"]
CALL = {"id": "1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
SHARE = {"key": "conversations", "role": "from", "text": "value"}
SAID = [("1", None, "prompter", "hi", None), ("3", "1", "assistant", "hey", 1),
        ("2", "1", "assistant", "hello", 0), ("4", "2", "prompter", "and", None),
        ("5", "4", "assistant", "so", None), ("6", "5", "prompter", "gone", None),
        ("7", "6", "assistant", "orphan", None)]  # fmt: skip
TREE = [
    {"message_id": i, "parent_id": to, "role": who, "text": text, "rank": rank, "user_id": "u",
     "deleted": i == "6", "labels": {"name": ["spam"], "value": [0.0]}, "message_tree_id": "1"}
    for i, to, who, text, rank in SAID
]  # fmt: skip
"""Messages as OpenAssistant publishes them."""


def nested(i):
    _, _, who, text, rank = SAID[i]
    replies = [nested(j) for j, one in enumerate(SAID[:5]) if one[1] == SAID[i][0]]
    return {"role": who, "text": text, "rank": rank, "replies": replies}


NESTED = nested(0)


PAGE = ('<div class="markdown prose dark"><p>It <strong>is</strong> a &lt; b:</p><ol><li><p>one</p>'
        '</li><li>two</li></ol><pre><div><span>python</span><button>Copy code</button><div><code>if'
        ' a:\n    b\n</code></div></div></pre></div>')  # fmt: skip
READ_PAGE = "It is a < b:\n1. one\n2. two\n```\nif a:\n    b\n```"


def node(parent, role="", *parts):
    said = {"author": {"role": role}, "content": {"content_type": "text", "parts": list(parts)}}
    return {"parent": parent, "children": [], "message": said if role else None}


EXPORT = {"r": node(None), "s": node("r", "system", ""), "u": node("s", "user", "hi"),
          "t": node("u", "tool", "1"), "a": node("t", "assistant", "hello"),
          "b": node("u", "assistant", "hey")}  # fmt: skip
PARTS = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "x"}},
         {"type": "input_text", "text": "at this "}]  # fmt: skip
ASKED = [{"role": "user", "content": "look"}, {"role": "assistant", "content": "let me see",
         "tool_calls": [CALL]}, {"role": "tool", "content": "noon"},
         {"role": "assistant", "content": "noon it is"}]  # fmt: skip
TURNS = "dialogue_id,turn,speaker,text\n"

READ: list[tuple[str, str | bytes, dict, list, dict]] = [
    # OpenAI messages
    ("a.jsonl", rows(chat(*HI)), {}, [HI], {}),
    ("a.jsonl", rows(chat(("developer", "be kind"), *HI)), {}, [[("system", "be kind"), *HI]], {}),
    ("a.jsonl", rows(chat(("user", PARTS), ("assistant", "ok"))), {},
     [U("look\nat this", "ok")], {"parts": 1}),
    ("a.jsonl", rows({"messages": ASKED}), {}, [U("look", "let me see\nnoon it is")],
     {"tools": 2, "merged": 1}),
    ("a.jsonl", rows({"messages": [ASKED[0], {"role": "assistant", "content": None,
     "tool_calls": [CALL]}, *ASKED[2:]], "tools": [{}]}), {},
     [U("look", "noon it is")], {"tools": 2, "empty": 0}),
    ("a.jsonl", rows(chat(("user", "a"), ("assistant", " "), ("user", "b"), ("assistant", "c"))),
     {}, [U("a\nb", "c")], {"empty": 1, "merged": 1}),
    ("a.jsonl", rows(chat(("user", "a"), ("user", "b"), ("assistant", "c"), ("user", "d"))), {},
     [U("a\nb", "c", "d")], {"merged": 1}),
    ("a.jsonl", rows(chat(("user", "a"), ("user", "b")), chat(*HI)), {}, [HI],
     {"short": 1, "merged": 1}),
    ("a.jsonl", rows({"system": "be kind", **chat(*HI)}), {}, [[("system", "be kind"), *HI]], {}),
    ("a.jsonl", rows(chat(("User", "hi"), ("ASSISTANT", "hello"))), {}, [HI], {}),
    ("a.csv", 'id,messages\n1,"' + json.dumps(PAIR).replace('"', '""') + '"\n', {}, [HI], {}),
    ("a.jsonl", rows({"messages": {"role": ["user", "assistant"], "content": ["hi", "hello"]}}),
     {}, [HI], {}),
    ("a.jsonl", rows(PAIR), {}, [HI], {}),  # the list itself, a line
    # ShareGPT
    ("a.jsonl", rows(chat(("human", "hi"), ("gpt", "hello"), **SHARE)), {}, [HI], {}),
    ("a.jsonl", rows(chat(("human", "hi"), ("function_call", "f()"), ("observation", "1"),
     ("gpt", "hello"), **SHARE)), {}, [HI], {"tools": 2}),
    ("a.jsonl", rows({**chat(("human", "hi"), **SHARE), "chosen": {"from": "gpt", "value": "hello"},
     "rejected": {"from": "gpt", "value": "no"}}), {}, [HI], {"rejected": 1}),
    # Prompt and completion, and what else they are called
    ("a.jsonl", rows({"prompt": "hi", "completion": "hello"}), {}, [HI], {}),
    ("a.jsonl", rows({"prompt": PAIR[:1], "completion": PAIR[1:]}), {}, [HI], {}),
    ("a.jsonl", rows({"prompt": "hi", "completion": PAIR[1:]}), {}, [HI], {}),
    ("a.jsonl", rows({"prompt": "hi", "completion": ["hello", "hey"]}), {},
     [HI, U("hi", "hey")], {"further": 1, "read": 1}),
    ("a.jsonl", rows({"prompt": "hi", "completion": "", "id": 1}, {"prompt": "hi",
     "completion": "hello"}), {}, [HI], {"short": 1, "empty": 1}),
    ("a.jsonl", rows({"instruction": "sum", "input": "1 2", "output": "3"}), {},
     [U("sum\n1 2", "3")], {}),
    ("a.jsonl", rows({"instruction": "say", "input": "", "output": "c", "system": "s",
     "history": [["hi", "hello"]]}), {}, [[("system", "s"), *U("hi", "hello", "say", "c")]], {}),
    ("a.jsonl", rows({"instruction": "who", "context": "Ann ran.", "response": "Ann"}), {},
     [U("who\nAnn ran.", "Ann")], {}),
    ("a.jsonl", rows({"context": "hi", "response": "hello"}), {}, [HI], {}),
    ("a.jsonl", rows({"context": ["a", "b", "c"], "response": "d"}), {}, [U("a", "b", "c", "d")],
     {}),
    ("a.jsonl", rows({"context": ["b", "c"], "response": "d"}), {},
     [[("assistant", "b"), *U("c", "d")]], {}),
    ("a.csv", 'context,response\r\n"hi,\r\nyou",hello\r\n', {}, [U("hi,\r\nyou", "hello")], {}),
    ("a.csv", "\ufeffcontext;response\nhi;hello, you\n", {}, [U("hi", "hello, you")], {}),
    ("a.jsonl", rows({"question": "hi", "answer": "hello"}), {}, [HI], {}),
    ("a.csv", "\ufeffQuestion, Answer\r\nhi,hello\r\n", {}, [HI], {}),
    ("a.jsonl", rows({"context": "Ann ran.", "question": "who", "answers": {"text": ["Ann", "Ann",
     "she"], "answer_start": [0, 0, 0]}}), {}, [U("Ann ran.\nwho", "Ann"), U("Ann ran.\nwho",
     "she")], {"further": 1}),
    ("a.jsonl", rows({"system_prompt": "s", "question": "hi", "response": "hello"}), {},
     [[("system", "s"), *HI]], {}),
    # Preferences: the rejected answer is not learned
    ("a.jsonl", rows({"prompt": "hi", "chosen": "hello", "rejected": "no"}), {}, [HI],
     {"rejected": 1}),
    ("a.jsonl", rows({"prompt": "hi", "chosen": PAIR, "rejected": PAIR}), {}, [HI],
     {"rejected": 1}),
    ("a.jsonl", rows({"prompt": PAIR[:1], "chosen": PAIR[1:], "rejected": PAIR[1:]}), {}, [HI],
     {"rejected": 1}),
    ("a.jsonl", rows({"chosen": "\n\nHuman: hi\n\nAssistant: hello", "rejected": "x"}), {}, [HI],
     {"rejected": 1}),
    ("a.jsonl", rows({"prompt": "hi", "completion": "go away", "label": False},
     {"prompt": "hi", "completion": "hello", "label": True}), {}, [HI], {"rejected": 1, "read": 2}),
    # Equals
    ("a.jsonl", rows({"turns": ["a", "b", "c"]}), {}, [U("a", "b", "c")], {}),
    ("a.jsonl", rows({"turns": ["a", "", "b", "c"]}), {}, [U("a\nb", "c")],
     {"empty": 1, "merged": 1}),
    ("a.jsonl", rows({"dialog": ["hi ", " hello"], "act": [1, 2], "emotion": [0, 0]}), {}, [HI],
     {}),
    ("a.jsonl", rows({"dialog": [[{"id": "A", "text": "hi"}, {"id": "B", "text": "hello"}]]}), {},
     [HI], {}),
    ("a.jsonl", rows(["hi", "hello"]), {}, [HI], {}),
    ("a.csv", "dialog\nhi __eou__ hello __eou__\n", {}, [HI], {}),
    # One turn a row
    ("a.csv", TURNS + "1,10,B,d\n1,9,A,c\n1,1,A,a\n1,2,B,b\n", {}, [U("a", "b", "c", "d")], {}),
    ("a.csv", TURNS + '2,1,A,hi\n1,1,A,a\n1,2,B,"b, b"\n2,2,B,hello\n', {},
     [HI, U("a", "b, b")], {"read": 2}),
    ("a.csv", TURNS + "1,1,user,a\n1,2,user,b\n1,3,assistant,c\n", {}, [U("a\nb", "c")],
     {"merged": 1}),
    ("a.csv", TURNS + "1,1,Ann,a\n1,2,Bob,b\n1,3,Eve,c\n1,4,Ann,d\n", {}, [U("a", "b", "c", "d")],
     {"several": 1}),
    ("a.tsv", "conv_id\tutterance_idx\tspeaker_idx\tprompt\tutterance\nx\t1\t0\tp\thi\n"
     "x\t2\t9\tp\thello\n", {}, [HI], {}),
    ("a.csv", "dialogue_id,text\n1,hi\n1,hello\n", {}, [HI], {}),
    ("a.csv", "conv_id,created_at,author,text\n1,2020-01-01T10:00:05Z,B,hello\n"
     "1,2020-01-01 10:00,A,hi\n", {}, [HI], {}),  # the newest first
    ("a.csv", "conv_id,time,text\n1,1.5e9,hello\n1,3,hi\n", {}, [HI], {}),
    ("a.csv", "conv_id,time,text\n1,noon,hi\n1,11,hello\n", {}, [HI], {}),
    # Trees of messages: each reply is learned once
    ("a.jsonl", rows(*TREE), {}, [U("hi", "hello", "and", "so"), U("hi", "hey")],
     {"further": 1, "lost": 2, "read": 1}),
    ("a.jsonl", rows(*TREE[::-1]), {}, [U("hi", "hello", "and", "so"), U("hi", "hey")],
     {"further": 1, "lost": 2, "read": 1}),
    ("a.jsonl", rows({"message_tree_id": "t", "prompt": NESTED}), {},
     [U("hi", "hello", "and", "so"), U("hi", "hey")], {"further": 1}),
    ("a.jsonl", rows(*({"id": n, "conversation_id": 0, "speaker": who, "text": text, "reply-to": to}
     for n, who, text, to in [(0, "A", "a", None), (1, "B", "b", 0), (2, "C", "c", 0),
     (3, "A", "d", 2)])), {}, [U("a", "b"), U("a", "c"), U("a", "c", "d")], {"further": 2}),
    ("a.jsonl", rows({"id": "x", "parent_id": "t3_q", "author": "A", "body": "a"}, {"id": "y",
     "parent_id": "t1_x", "author": "B", "body": "b"}, {"id": "z", "parent_id": "t1_y",
     "author": "[deleted]", "body": "[removed]"}), {}, [U("a", "b")], {"lost": 1}),
    ("a.json", json.dumps([{"title": "t", "mapping": EXPORT}]), {}, [HI, U("hi", "hey")],
     {"further": 1, "tools": 1}),
    # Several answers, each a record
    ("a.jsonl", rows({"instruction": "hi", "completions": [{"model": "m", "response": "hello"},
     {"model": "n", "response": "hey"}]}), {}, [HI, U("hi", "hey")], {"further": 1}),
    ("a.jsonl", rows({"question": "hi", "answers": [{"answer_id": 1, "text": "hello", "score": 2}]
     }), {}, [HI], {}),
    ("a.jsonl", rows({"input": {"messages": PAIR[:1], "tools": []}, "preferred_output": PAIR[1:],
     "non_preferred_output": PAIR[1:]}), {}, [HI], {"rejected": 1}),
    # Empty ones among them
    ("a.jsonl", rows({"prompt": "hi", "completions": ["hello", "", None]}), {}, [HI],
     {"further": 2, "short": 2, "empty": 2}),
    # Text
    ("a.txt", "hi __eou__ hello __eou__\n", {}, [HI], {}),
    ("a.txt", "hi\thello\n\nalone\na\tb\n", {}, [HI, U("a", "b")], {"short": 1, "read": 3}),
    ("a.txt", "\n\nhi\nhello\n\n \na\nb\nc\n", {}, [HI, U("a", "b", "c")], {"read": 2}),
    ("a.txt", "hi\r\nhello\r\n\r\na\r\nb\r\n", {}, [HI, U("a", "b")], {}),
    ("a.txt", "User: hi\nBot: hello\n\nUser: a\nUser: b\nBot: c\n", {}, [HI, U("a\nb", "c")],
     {"merged": 1}),
    ("a.txt", "at 5: hi\nno: what\n\nhe said: x\nas I said: y\n", {},
     [U("at 5: hi", "no: what"), U("he said: x", "as I said: y")], {}),
    ("a.txt", "text:hi\tlabels:hello\ntext:a: b\tlabels:c|d\tepisode_done:True\n"
     "text:e\\nf\tlabels:g\tepisode_done:True\n", {}, [U("hi", "hello", "a: b", "c"),
     U("hi", "hello", "a: b", "d"), U("e\nf", "g")], {"further": 1, "read": 2}),
    ("a.txt", "text:hi\teval_labels:hello\n", {}, [HI], {}),
    ("a.txt", "1 your persona: tall\n2 hi\thello\t0\tx|y\n3 a\tb\n1 c\td\n", {},
     [U("your persona: tall\nhi", "hello", "a", "b"), U("c", "d")], {"read": 2}),
    ("a.txt", "1 apple\tred\n3 pears\tgreen\nfigs\tblue\n", {},
     [U("1 apple", "red"), U("3 pears", "green"), U("figs", "blue")], {}),
    ("a.txt.gz", gzip.compress(b"hi\thello\n"), {}, [HI], {}),
    # Turns of HTML, in a source of ChatGPT's pages alone
    ("a.json", json.dumps([chat(("human", "<p>hi</p>"), ("gpt", PAGE), **SHARE)]), {},
     [U("hi", READ_PAGE)], {"html": 2}),
    ("a.jsonl", rows({"prompt": "what is <p>", "completion": "<p>a &amp; b</p>"}), {},
     [U("what is <p>", "<p>a &amp; b</p>")], {"html": 0}),
    ("a.jsonl", rows(chat(("human", "<image>\nhi"), ("gpt", "a mark <image> is\nso"), **SHARE)),
     {}, [U("hi", "a mark <image> is\nso")], {"parts": 1}),
    # Lists as Python and NumPy print them, lines that name speakers
    ("a.csv", "dialog\n\"['hi ' \"\"it's\"\"\n ' on ']\"\n", {}, [U("hi", "it's", "on")], {}),
    ("a.csv", "dialog,act\n\"['hi', 'hello']\",[1 2]\n", {}, [HI], {}),
    ("a.csv", "conversations\n\"[{'from': 'human', 'value': 'hi'}\n {'from': 'gpt', 'value': "
     "'hello'}]\"\n", {}, [HI], {}),
    ("a.json", json.dumps([{"dialogue": "Ann: hi\r\nBob: hello\r\nyou"}]), {},
     [U("hi", "hello\nyou")], {}),
    ("a.csv", 'dialogue\n"#Person1#: hi\n#Person2#: hello"\n', {}, [HI], {}),
    # Questions and answers in lists, messages without speakers, one turn a row by other names
    ("a.json", json.dumps({"data": [{"story": "s", "questions": [{"input_text": "hi"},
     {"input_text": "a"}], "answers": [{"input_text": "hello", "span_text": "x"},
     {"input_text": "b"}]}]}), {}, [U("s\nhi", "hello", "a", "b")], {}),
    ("a.jsonl", rows({"questions": ["hi"], "answers": {"texts": [["hello", "x"]]}}), {}, [HI], {}),
    ("a.json", json.dumps({"m1": {"goal": {}, "log": [{"text": "hi", "metadata": {}},
     {"text": "hello", "metadata": {"x": 1}}]}, "m2": {"goal": {},
     "log": [{"text": "a"}, {"text": "b"}]}}), {}, [HI, U("a", "b")], {"read": 2}),
    ("a.csv", "conversation_no,utterance_index,caller,text\n1,2,B,hello\n1,1,A,hi\n", {}, [HI], {}),
    ("a.csv", "tweet_id,author_id,text,in_response_to_tweet_id\n1,a,hi,\n2,b,hello,1.0\n", {}, [HI],
     {}),
    # Marks of templates
    ("a.jsonl", rows({"instruction": "Human:hi\nAssistant:", "input": "", "output": "hello"}), {},
     [HI], {}),
    ("a.jsonl", rows({"text": "Below is an instruction.\n\n### Instruction:\nhi\n\n### Input:\nx"
     "\n\n### Response:\nhello</s>"}), {}, [U("hi\nx", "hello")], {}),
    # YAML, and JSON under another name
    ("a.yml", "categories:\n- x\nconversations:\n- - hi\n  - hello\n- - yes\n  - no\n", {},
     [HI, U("yes", "no")], {"read": 2}),
    ("a.yaml", "- prompt: hi\n  completion: hello\n", {}, [HI], {}),
    ("a.txt", rows({"prompt": "hi", "completion": "hello"}, {"prompt": "a", "completion": "b"}), {},
     [HI, U("a", "b")], {}),
    # UltraChat, columns of a human and a bot, exchanges a record, lines cut from a list
    ("a.jsonl", rows({"id": "0", "data": ["hi", "hello", "a", "b"]}), {},
     [U("hi", "hello", "a", "b")], {}),
    ("a.csv", "human,bot\nhi,hello\n", {}, [HI], {}),
    ("a.csv", "Human,AI\r\nhi,hello\r\n", {}, [HI], {}),
    ("a.jsonl", rows({"inputs": "hi", "targets": "hello"}), {}, [HI], {}),
    ("a.jsonl", rows({"conversation": [{"human": "hi", "assistant": "hello"}, {"human": "a",
     "assistant": "b"}]}), {}, [U("hi", "hello", "a", "b")], {}),
    ("a.jsonl", rows({"conversation": [{"system": "s", "input": "hi", "output": "hello"}]}), {},
     [[("system", "s"), *HI]], {}),
    ("a.jsonl", rows({"prompt": "hi", "completion": {"text": "hello", "score": 1}}), {}, [HI], {}),
    ("a.jsonl", rows({"data": "2020", "prompt": "hi", "completion": "hello"}), {}, [HI], {}),
    ("a.jsonl", '{"prompt": "hi", "completion": "hello"},\n{"prompt": "a", "completion": "b"}\n',
     {}, [HI, U("a", "b")], {}),
    ("a.jsonl", '[\n{"prompt": "hi",\n"completion": "hello"}\n]\n', {}, [HI], {}),
    # Wrapped, and columns that are named
    ("a.json", json.dumps({"data": [chat(*HI)], "version": 1}), {}, [HI], {}),
    ("a.jsonl", rows({"data": [{"prompt": "hi", "completion": "hello"}]}), {}, [HI], {}),
    ("a.jsonl", rows({"ask": "hi", "meta": {"say": "hello"}, "text": "x"}),
     {"columns": "prompt=ask, completion=meta.say"}, [HI], {}),
    ("a.jsonl", rows({"talk": ["hi", "hello"]}), {"columns": "turns=talk"}, [HI], {}),
    ("a.csv", "n,who,what,in\n2,B,hello,x\n1,A,hi,x\n",
     {"columns": "dialogue_id=in,turn=n,speaker=who,text=what"}, [HI], {}),
    ("a.jsonl", rows({"turns": ["a", "b"], "n": 1}, {"turns": ["hi", "hello"], "n": 2}),
     {"where": "n=2"}, [HI], {"read": 1}),
    ("a.jsonl", rows(*[{"turns": ["hi", "hello"]}] * 3), {"limit": 2}, [HI, HI], {"read": 2}),
]  # fmt: skip

REFUSED: list[tuple[str, str, dict, str]] = [
    ("a.txt", "ANN:\nhi\n\nBOB:\nhello\n\n", {}, "(line 1: 'ANN:'), and nothing parts dialogues"),
    ("a.txt", "".join(f"w{i} O\n" for i in range(9)) + "\nx B-PER\n", {}, "a file of CoNLL, which"),
    ("a.jsonl", rows({"questions": ["a", "b"], "answers": ["c"]}), {},
     "record 1 of {} has 2 questions and 1 answers"),
    ("a.yml", "a: &x [1]\nb: *x\n", {}, "{} cannot be read as YAML (it has aliases"),
    ("a.csv", "dialog\n\"['hi', open('x')]\"\n", {}, "write a list with one text, or one message"),
    ("a.jsonl", rows({"ask": "a", "say": "b"}), {}, "--columns prompt=question,completion=answer"),
    ("a.tsv", "hi\thello\na\tb\n", {}, "else call it .txt"),
    ("a.jsonl", rows({"prompt": "a", "completion": "b"}, {"prompt": "a"}), {},
     "record 2 of {} has no completion; fill it in"),
    ("a.jsonl", rows({"prompt": "a", "completion": 3}), {}, "'completion' holds int, not a text"),
    ("a.jsonl", rows(chat(("narrator", "hi"))), {}, "unknown role 'narrator'"),
    ("a.jsonl", rows(chat(("user", [{"sound": 1}]))), {},
     "holds more than text: \"{{'sound': 1}}\""),
    ("a.jsonl", rows({"messages": [{"role": "user"}]}), {}, "not made of role and content"),
    ("a.jsonl", rows({"role": "user", "content": "hi"}), {}, "is a single message; add a column"),
    ("a.jsonl", rows({"turns": "hi"}), {}, "'turns' of record 1 of {} is no list"),
    ("a.jsonl", rows({"turns": ["hi", 3]}), {}, "record 1 of {} is no list of texts"),
    ("a.jsonl", rows({"chosen": "hello", "rejected": "no"}), {}, "an answer without its prompt"),
    ("a.jsonl", '{"turns": ["a", "\\ud800"]}\n', {}, "record 1 of {} holds half of a character"),
    ("a.jsonl", rows({"prompt": "a\0b", "completion": "c"}), {}, "record 1 of {} holds a NUL"),
    ("a.jsonl", rows({"text": "no marks"}), {}, "its columns are ['text']"),
    ("a.csv", TURNS + "1,1,A,a\n1,1,B,b\n", {}, "records 1 and 2 of {} are both turn 1"),
    ("a.csv", TURNS + "1,one,A,a\n1,2,B,b\n", {}, "record 1 of {}: turn 'one' is no number"),
    ("a.csv", TURNS + "1,1,A,a\n,2,B,b\n", {}, "record 2 of {} has no dialogue_id"),
    ("a.jsonl", rows({"dialogue_id": [1], "text": "a"}), {}, "{}: dialogue_id is a list"),
    ("a.txt", "one\ntwo\nthree\n", {}, "put an empty line between two dialogues"),
    ("a.txt", "text:hi\tlabels:x\ntext:a\n", {}, "line 2 of {} has no labels"),
    ("a.txt", "a\tb\n", {"columns": "prompt=a"}, "is plain text and has no columns"),
    ("a.jsonl", rows(chat(*HI)), {"columns": "prompt=ask,completion=b"}, "no column 'ask'; it has"),
    ("a.jsonl", rows(chat(*HI)), {"columns": "asked=a"}, "'asked=a' is not NAME=COLUMN"),
    ("a.jsonl", rows(chat(*HI)), {"where": "n=1"}, "--where n=1: write COLUMN=VALUE"),
]  # fmt: skip


def put(folder, name, text):
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(file)


def found(told: Mapping[str, int], counts) -> dict[str, int]:
    return {name: vars(counts)[name] for name in told}


@pytest.mark.parametrize(("name", "text", "how", "said", "counted"), READ)
def test_what_is_read(tmp_path, name, text, how, said, counted):
    read = read_dialogues(put(tmp_path, name, text), **how)
    assert [[tuple(turn) for turn in item.turns] for item in read.items] == said
    assert found(counted, read.counts) == counted
    # What is not named did not happen
    quiet = {"tools", "parts", "html", "rejected", "further", "several", "merged", "short"}
    assert sum(vars(read.counts)[key] for key in quiet - set(counted)) == 0


@pytest.mark.parametrize(("name", "text", "how", "says"), REFUSED)
def test_what_is_refused_in_one_sentence(tmp_path, name, text, how, says):
    file = put(tmp_path, name, text)
    with pytest.raises(UserError) as caught:
        read_dialogues(file, **how)
    assert says.format(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_further_answer_is_the_only_reply_learned_of_its_dialogue(tmp_path):
    text = "text:a\tlabels:b\ntext:c\tlabels:d|e\tepisode_done:True\n"
    read = read_dialogues(put(tmp_path, "a.txt", text))
    assert [[r.text for _, r in pairs_of(item)] for item in read.items] == [["b", "d"], ["e"]]


def test_one_line_says_what_was_understood(tmp_path):
    data = put(tmp_path, "a.jsonl", rows({"messages": ASKED}, chat(*HI), chat(("user", "alone"))))
    assert read_dialogues(data).told() == (
        f"{data}: column messages: 3 dialogues, 1 with fewer than two turns or without a reply "
        "left out, 1 turns joined to the one before, of the same speaker, 2 tool calls and tool "
        "turns left out; 2 to 2 turns (user and assistant), 1 to 6 words a turn (median 1)"
    )


def test_look_shows_the_sets_and_examples_and_trains_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = [chat(*U(f"hi {i}", f"hello {i}")) for i in range(40)]
    data = put(tmp_path, "a.jsonl", rows(*texts))
    look(["--data", data, "--recipe", "dialogue"])
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"{data}: column messages: 40 dialogues; 2 to 2 turns")
    assert out[1].startswith(f"5% of {data}, drawn: 2 dialogues")
    assert sum(line.startswith("  example") for line in out) == 5
    assert "    assistant (learned): hello 1" in out
    assert [file.name for file in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_data_set_that_was_saved_to_the_disk(tmp_path):
    datasets = pytest.importorskip("datasets")
    made = datasets.Dataset.from_list([chat(*HI), chat(*U("a", "b"))])
    made.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": made}).save_to_disk(str(tmp_path / "two"))
    for name in ("one", "two"):
        read = read_dialogues(str(tmp_path / name))
        assert [[tuple(t) for t in item.turns] for item in read.items] == [HI, U("a", "b")]
