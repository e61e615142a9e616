#!/bin/sh
# Stands in for a node that keeps a processor busy.
echo "listening"
while :; do :; done
