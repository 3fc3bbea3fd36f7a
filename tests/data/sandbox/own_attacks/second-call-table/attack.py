# A filter that looks at numbers only lets these by.
import ctypes
print('BREACH', ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 39)))
