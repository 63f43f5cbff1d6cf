#!/bin/sh
# Is the server there? For people, and for whatever watches this device.
set -eu
. /etc/default/sensor-mcp
port=$(sed -n 's/.*port: *\([0-9]*\).*/\1/p' "$SENSOR_MCP_CONFIG")
curl --fail --silent --max-time 5 "http://127.0.0.1:${port}/health"
