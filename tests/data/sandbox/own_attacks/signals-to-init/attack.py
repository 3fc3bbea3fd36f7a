# Init must neither end nor take one of them for the order to end the run.
import os
for number in range(1, 65):
    try:
        os.kill(1, number)
    except OSError:
        pass
print('still here')
