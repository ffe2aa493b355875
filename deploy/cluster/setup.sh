#!/bin/sh
# Adds the three accounts of cluster.yaml, and makes their tables and triggers.
set -eu
for name in acme globex initech; do
    python main.py accounts show "$name" >/dev/null 2>&1 || python main.py accounts add "$name" \
        --key-file /run/secrets/sandbox.key --database-url-file "/run/secrets/$name.url" \
        --webhook-secret-file /run/secrets/webhook.secret \
        --set "MONDAY_API_URL=http://sandbox-$name:8765/v2" --set WEBHOOK_BASE_URL=http://door:8080 \
        --set MONDAY_BOARD_ID_CONTACTS=7810000101 --set MONDAY_BOARD_ID_ORGANIZATIONS=7810000202
    python main.py --account "$name" init-db
    python main.py --account "$name" setup --yes
done
