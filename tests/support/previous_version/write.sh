#!/usr/bin/env bash
# Writes data/ and expected/ with the commands of the commit that is checked out. README.md says which commit wrote them.
# Two minutes on two cores. Needs .venv (make setup).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONPATH=$root TF_CPP_MIN_LOG_LEVEL=2
python=$root/.venv/bin/python
job() { "$python" -m "jobs.$1" "${@:2}"; }
mkdir "$work/data" "$work/expected"
cd "$work/data"

# Two files of reviews of the demo's grammar. In the second also a duplicate, two lines that are no reviews, and two
# symbols outside the vocabulary.
job demo_reviews --set output=reviews.jsonl --set reviews=110 --set seed=7
job demo_reviews --set output=more.jsonl --set reviews=16 --set seed=8
head -n 1 reviews.jsonl | sed 's/"review_id": "[^"]*"/"review_id": "the first again"/' >> more.jsonl
cat >> more.jsonl <<'JSON'
{"review_id": "no text", "stars": 1}
{"review_id": "cut off", "text": "The soup
{"review_id": "dropped", "text": "The soup was 20 \u20ac, and the caf\u00e9 was full."}
JSON

cat > preprocess.yaml <<'YAML'
window_chars: 64
stride_chars: 64
validation_fraction: 0.1
test_fraction: 0.1
shards: 3
YAML
job preprocess --config preprocess.yaml --set 'input=[reviews.jsonl, more.jsonl]' --set output=dataset

# One complete run, small and weak, with an embedding; and one run that SIGTERM stops within its second epoch.
cat > train.yaml <<'YAML'
dataset: dataset
runs: runs
epochs: 2
batch_windows: 4
learning_rate: 0.01
schedule: cosine
warmup_steps: 5
precision: float32
log_every_steps: 7
block_windows: 300
model:
  lstm_units: [8, 6]
sample:
  chars: 40
  prompt_chars: 20
YAML
job train --config train.yaml --run weak --set max_chars=4096 --set schedule=constant --set 'model.lstm_units=[4]' \
    --set model.embedding_units=3 --set report=never
"$python" -m jobs.train --config train.yaml --run stopped &  # without job: a function's $! is a shell's
until grep -qs '"validation": [0-9]' runs/stopped/checkpoint.json; do sleep 0.002; done
sleep 0.4
kill -TERM $!
code=0; wait $! || code=$?
[ "$code" = 143 ] || { echo "exit code $code, expected 143"; exit 1; }
grep -q '"how": "evicted"' runs/stopped/starts/*.json || { echo "training ended before the signal: try again"; exit 1; }

job detect train runs/stopped --to detector.json --reviews reviews.jsonl more.jsonl --lengths 40 80 --count 20
job export runs/stopped --to export
job promote runs/weak --to models
job promote runs/stopped --to models

# The names of this machine and of its folders; then the report, which shows them.
sed -i "s|$work/data|/previous|g" export/export.json models/current.json models/reports/*
sed -i -E 's/"(host|system)": "[^"]*"/"\1": "example"/' runs/*/starts/*.json
for events in runs/*/tensorboard/events.out.tfevents.*; do
    mv "$events" "$(sed 's|\(tfevents\.[0-9]*\)\..*\.\([0-9]*\.[0-9]*\.[^.]*\)$|\1.example.\2|' <<< "$events")"
done
job report runs/stopped
# 300 KB of TensorFlow's own format, which no command of this project reads.
rm -r export/saved_model

# What the commands say of it, and how the stopped run ends.
cd "$work"
cp -r data read
cd read
job evaluate runs/stopped > ../expected/evaluate.json
job sample runs/stopped --prompt '{the food' --count 4 --chars 40 --output ../expected/samples.jsonl
job score runs/stopped more.jsonl --detector detector.json --output ../expected/scores.jsonl
job detect evaluate runs/stopped detector.json --count 20 --diversities 0.5 --json > ../expected/detection.json
job watch runs/stopped --once --json > ../expected/watch.json
job report runs/weak runs/stopped --json > ../expected/comparison.json
job train --config train.yaml --run stopped
checkpoint=$(grep -o -m 1 'checkpoints/step-[-0-9a-f]*.safetensors' runs/stopped/checkpoint.json)
cp runs/stopped/metrics.jsonl ../expected
(cd runs/stopped && sha256sum "$checkpoint" metrics.jsonl samples/*) > ../expected/sha256.txt
grep -m 1 '^flags' /proc/cpuinfo > ../expected/cpu_flags.txt

if grep -rIl -e "$work" -e "$root" -e "\b$(hostname)\b" "$work/data" "$work/expected"; then
    echo "these name this machine or a folder of it"
    exit 1
fi
rm -rf "$here/data" "$here/expected"
cp -r "$work/data" "$work/expected" "$here"
du -sb "$here/data" "$here/expected"
