"""Runs each line of the port as a shell script. A line of JSON back: its number, exit code, output."""

import json
import os
import subprocess
import time

PORT = '/dev/virtio-ports/probe'

while not os.path.exists(PORT):
    time.sleep(0.2)
port = open(PORT, 'r+b', buffering=0)


def say(words):
    data = json.dumps(words).encode() + b'\n'
    while data:
        data = data[port.write(data):]


with open('/proc/sys/kernel/random/boot_id') as boot:
    say({'boot': boot.read().strip()})
pending = b''
while True:
    pending += port.read(65536) or b''
    while b'\n' in pending:
        line, pending = pending.split(b'\n', 1)
        asked = json.loads(line)
        ran = subprocess.run(
            ['/bin/bash', '-c', asked['script']],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        say({'id': asked['id'], 'code': ran.returncode, 'out': ran.stdout.decode(errors='replace')})
