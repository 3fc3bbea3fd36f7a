# A limit of each process bounds no sum.
import os, time
for _ in range(4):
    if os.fork() == 0:
        end = time.process_time() + 1.5
        while time.process_time() < end:
            pass
        os._exit(0)
for _ in range(4):
    os.wait()
time.sleep(60)
print('BREACH')
