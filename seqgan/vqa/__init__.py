"""Visual question answering: pictures and questions in, answers of one word out."""
