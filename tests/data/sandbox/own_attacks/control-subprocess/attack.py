# Needs a process of its own.
import subprocess, sys
print(subprocess.run([sys.executable, '-c', 'print(1 + 2 + 3)'], capture_output=True, text=True).stdout, end='')
