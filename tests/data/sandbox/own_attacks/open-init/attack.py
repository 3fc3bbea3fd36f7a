# Init works in the memory of the interpreter that forks for everybody.
import os
for name in ('mem', 'environ', 'maps', 'fd', 'cwd/x', 'root/etc', 'task/1/mem'):
    try:
        path = '/proc/1/' + name
        os.listdir(path) if name == 'fd' else os.close(os.open(path, os.O_RDONLY))
        print('BREACH', path)
    except OSError as e:
        print('refused', name, e.errno)
try:
    os.close(os.open('/proc/1/mem', os.O_RDWR))
    print('BREACH', 'writing')
except OSError as e:
    print('refused', 'writing', e.errno)
