# The kernel looks at 32 bits of the request.
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for fd in range(3):
    for request in (0x5412, 0x100005412, 0x541C, 0x10000541C):
        if libc.syscall(ctypes.c_long(16), fd, ctypes.c_ulong(request), b'x') == 0:
            print('BREACH', fd, hex(request))
        if ctypes.get_errno() == 25:
            print('BREACH the call got through to the device', hex(request))
