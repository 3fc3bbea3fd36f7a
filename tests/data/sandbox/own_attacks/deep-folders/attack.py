# Whoever removes it by recursion runs out of stack or descriptors.
import os
for i in range(3000):
    try:
        os.mkdir('rlatk-d')
        os.chdir('rlatk-d')
    except OSError as e:
        print('refused at', i, e)
        break
