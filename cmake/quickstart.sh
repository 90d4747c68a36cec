#!/bin/sh
# The whole road once: text, data set, training, evaluation, a sample. Every command is printed, so
# that it can be used on its own. Started again, it goes on where it was.
#   usage: cmake/quickstart.sh KRAIT [TEXT]   TEXT: a file or folder instead of the project's own text
set -eu
cd "$(dirname "$0")/.."
krait=$1
text=${2:-}

step() {
  printf '\n== %s\n' "$1"
}
# Prints the command as one would type it, then runs it.
run() {
  printf '$'
  for word in "$@"; do
    case $word in
      *[!A-Za-z0-9_./=:,+-]* | '') printf " '%s'" "$word" ;;
      *) printf ' %s' "$word" ;;
    esac
  done
  printf '\n'
  "$@"
}

directory=runs/quickstart
data=runs/quickstart_data
if [ -n "$text" ]; then
  if [ ! -r "$text" ]; then
    echo "TEXT=$text: there is no such file or folder" >&2
    exit 66
  fi
  # One run for each text, named after its path.
  name=$(realpath --relative-base=. -- "$text" | tr -c 'A-Za-z0-9\n' _)
  directory=runs/quickstart-$name
  data=runs/quickstart_data-$name
  set -- "$text"
else
  # rooms of prose and code alone: no tables, golden files or corpora
  set -- README.md LICENSE docs core kernels autograd layers train tests/core tests/kernels \
    tests/autograd tests/layers
fi

step "Data: text to bytes, a tenth of it held out"
if [ -e "$data/train.h5" ] && [ -e "$data/valid.h5" ]; then
  echo "$data is there already. To start over: rm -r $data $directory"
else
  run "$krait" data build "$@" --out "$data" --held-out 0.1
fi

step "Training: stop it with Ctrl-C whenever you like; started again, it goes on"
if [ -n "$text" ]; then
  set -- "run.directory=$directory" "data.train=$data/train.h5" "data.valid=$data/valid.h5"
else
  set --
fi
run "$krait" train configs/quickstart.yaml "$@"

step "Evaluation on the text that was held out"
run "$krait" eval perplexity --model "$directory" --data "$data/valid.h5"

step "A sample"
run "$krait" generate --model "$directory" --prompt "The " --max-tokens 300 --temperature 0.8 --seed 1
