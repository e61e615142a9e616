#!/bin/sh
# Stands in for a node: says that it listens, makes a data folder, and ends with its parent.
mkdir -p "$(dirname "$3")/data/log"
echo "listening"
exec cat >/dev/null
