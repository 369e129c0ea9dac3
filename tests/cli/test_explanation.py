"""`classify --explain`: one line a text, plain in files, in colour on a terminal."""

import json
import re

import pytest

import keras_tx
from keras_tx.cli.explanation import color_line, explaining, json_line, tab_line
from keras_tx.models import Explanation

PIECES = Explanation("good", 0.93, ["▁fine", "st", "▁bore"], [2.0, 0.0, -1.0], 1.5, 0.5, 0.0)
WORDS = Explanation("good", 0.93, ["fine", "bore"], [2.0, -1.0], 1.5, 0.5, 0.0)
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


class OneAnswer:
    def explain(self, texts, batch_size):
        assert batch_size <= 8
        return [WORDS] * len(texts)


def test_plain_lines():
    assert tab_line(PIECES) == "good\t0.9300\t▁fine=+2.000 st=+0.000 ▁bore=-1.000"
    assert tab_line(Explanation("a b", 0.5, [], [], 0.0, 0.0, 0.0)) == "a b\t0.5000\t"
    content = json.loads(json_line(WORDS))
    assert content["tokens"] == ["fine", "bore"] and content["attributions"] == [2.0, -1.0]
    assert content["logit"] - content["baseline_logit"] == sum(content["attributions"])


def test_in_colour_the_text_is_the_same():
    for found, text in ((PIECES, "finest bore"), (WORDS, "fine bore")):
        line = color_line(found, "truecolor")
        assert ESCAPE.sub("", line) == f"good\t0.9300\t{text}"
        colours = ESCAPE.findall(line)
        assert colours and colours[-1] == "\x1b[0m"


def test_green_speaks_for_the_label_and_red_against_it():
    line = color_line(PIECES, "truecolor")
    assert "\x1b[30;48;2;55;255;55mfine\x1b[0mst" in line  # What adds nothing has no colour.
    assert "\x1b[30;48;2;255;155;155mbore\x1b[0m" in line  # Half as strong.
    assert "[bold]" in color_line(WORDS._replace(tokens=["[bold]", "x"]), "truecolor")


def test_a_text_sends_no_commands_to_the_terminal():
    found = WORDS._replace(tokens=["\x1b[2J\n", "\x07\tbore"])
    assert tab_line(found).endswith("\t\ufffd[2J\ufffd=+2.000 \ufffd\ufffdbore=-1.000")
    assert ESCAPE.sub("", color_line(found, "truecolor")).count("\x1b") == 0


def test_long_texts_stay_on_one_line():
    long = Explanation("good", 0.9, ["▁word"] * 3000, [0.1] * 3000, 1.0, 0.0, 0.0)
    assert "\n" not in color_line(long, "truecolor")


def test_there_is_colour_on_a_terminal_alone(monkeypatch, tmp_path):
    def line(output_path=None, line_format="tsv"):
        return explaining(OneAnswer(), line_format, output_path, 32)(["any"])[0]

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert ESCAPE.search(line()) is None  # Tests have no terminal.
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert ESCAPE.search(line())
    assert ESCAPE.search(line(str(tmp_path / "out"))) is None
    assert ESCAPE.search(line(line_format="jsonl")) is None
    monkeypatch.setenv("TERM", "dumb")
    assert ESCAPE.search(line()) is None


def test_the_command_gives_one_line_a_text(models, run):
    texts = ["a good film", "", "dull\tand long"]
    result = run("classify", "--explain", *texts)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.split("\n")[:-1]
    expected = keras_tx.load("sentiment_imdb").explain(texts)
    assert lines == [tab_line(found) for found in expected]
    assert lines[1].endswith("\t")


def test_the_command_gives_json(models, run):
    result = run("classify", "--explain", "--format", "jsonl", "a good film")
    content = json.loads(result.stdout)
    (found,) = keras_tx.load("sentiment_imdb").explain(["a good film"])
    assert "".join(content["tokens"]) == "".join(found.tokens)
    assert content["attributions"] == pytest.approx(found.attributions, abs=1e-5)
    total = content["logit"] - content["baseline_logit"]
    assert sum(content["attributions"]) == pytest.approx(total, abs=0.01 * max(1, abs(total)))


def test_a_server_does_not_explain_lines(models, run):
    result = run("classify", "--explain", "--server", "http://localhost:1", "a good film")
    assert result.exit_code != 0
    assert "--explain expected a model of this machine" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
