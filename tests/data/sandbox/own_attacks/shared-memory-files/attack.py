# Outside of the storage limit where it is allowed.
import os
total, fds = 0, []
try:
    for i in range(40):
        fds.append(os.memfd_create('rlatk'))
        for _ in range(16):
            total += os.write(fds[-1], b'x' * 2**20)
except OSError as e:
    print('refused', e)
if total > 64 * 2**20:
    print('BREACH', total)
