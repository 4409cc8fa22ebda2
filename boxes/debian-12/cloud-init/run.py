# Runs cloud-init without its entry script, and with the modules beside this file before others.
# What only this process does is not inherited by the programs that it starts.
import os
import sys

from cloudinit.cmd.main import main

os.environ.setdefault("TZ", ":/etc/localtime")
sys.argv[0] = "cloud-init"
sys.exit(main(sys.argv) or 0)
