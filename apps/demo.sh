#!/usr/bin/env bash
# The main job on a bare machine: set up, classify, translate, export, check the exports.
# Set KERAS_TX_PYTHON to use an environment that has keras_tx already.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${KERAS_TX_PYTHON:-}
if [ -z "$python" ]; then
    [ -d .venv ] || python3 -m venv .venv
    python=.venv/bin/python
    "$python" -m pip install --quiet --disable-pip-version-check -e .
fi
exported=${1:-exported}

echo "== Sentiment"
printf '%s\n' \
    "A wonderful film, I was moved to tears." \
    "A waste of two hours, and the ending is worse." |
    "$python" -m keras_tx classify
echo "== Translation"
printf '%s\n' \
    "A man is playing guitar on the street." \
    "Where is the station?" |
    "$python" -m keras_tx translate
echo "== Export, and check as TensorFlow Serving loads it"
# The larger classifier is checked in the same way; its explanations of long texts take minutes.
for model in sentiment_imdb_fast translator_en_fr; do
    "$python" -m keras_tx export --model "$model" --output "$exported/$model"
    "$python" -m keras_tx check-export "$exported/$model" --model "$model"
done
