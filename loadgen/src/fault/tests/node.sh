#!/bin/sh
# Stands in for a node: says that it listens, makes a data folder, and ends with its parent. Asked to end, it
# takes a moment and notes whether its parent let it.
folder=$(dirname "$3")
mkdir -p "$folder/data/log"
exec 3<&0
(
    trap '' TERM
    cat <&3 >/dev/null
    touch "$folder/input-closed"
) &
watch=$!
trap 'sleep 0.3; [ -e "$folder/input-closed" ] || touch "$folder/ended-in-order"; kill -9 $watch; exit 0' TERM
echo "listening"
wait $watch
