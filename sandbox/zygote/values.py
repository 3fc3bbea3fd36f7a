# Values between judge and candidate: plain data of exact types, in a form with nothing to execute in it.
LIMIT = 1 << 20  # bytes of one message
DEPTH = 100


class Unsendable(Exception):
    pass


def encode(value, parts, depth=0, budget=None):
    """Appends the bytes of `value` to the list `parts`; Unsendable when it is no plain data."""
    budget = [LIMIT] if budget is None else budget
    kind = type(value)
    if depth > DEPTH:
        raise Unsendable("nested more than %d deep" % DEPTH)
    if value is None:
        data = b"N"
    elif kind is bool:
        data = b"T" if value else b"F"
    elif kind is int:
        if int.bit_length(value) > 8 * LIMIT // 2:
            raise Unsendable("an integer of %d bits" % int.bit_length(value))
        text = b"%x" % value
        data = b"I" + struct.pack("<I", len(text)) + text
    elif kind is float:
        data = b"D" + struct.pack("<d", value)
    elif kind is complex:
        data = b"C" + struct.pack("<dd", value.real, value.imag)
    elif kind is str or kind is bytes:
        if len(value) > LIMIT:
            raise Unsendable("a text of %d characters" % len(value))
        text = value.encode("utf-8", "surrogatepass") if kind is str else value
        data = (b"S" if kind is str else b"B") + struct.pack("<I", len(text)) + text
    elif kind in (list, tuple, set, frozenset, dict):
        data = TAGS[kind] + struct.pack("<I", len(value))
    else:
        raise Unsendable("a value of type '%s' is no plain data" % kind.__name__)
    budget[0] -= len(data)
    if budget[0] < 0:
        raise Unsendable("more than %d bytes" % LIMIT)
    parts.append(data)
    if kind is dict:
        for key, item in value.items():
            encode(key, parts, depth + 1, budget)
            encode(item, parts, depth + 1, budget)
    elif kind in TAGS:
        for item in value:
            encode(item, parts, depth + 1, budget)


TAGS = {list: b"L", tuple: b"U", set: b"E", frozenset: b"Z", dict: b"M"}
KINDS = {tag[0]: kind for kind, tag in TAGS.items()}


def decode(data, at=0, depth=0):
    """The value whose bytes begin at `at`, and where they end. ValueError on anything else."""
    if depth > DEPTH:
        raise ValueError("nested too deep")
    tag, at = data[at], at + 1
    if tag in b"NTF":
        return {78: None, 84: True, 70: False}[tag], at
    if tag in b"DC":
        size = 8 if tag == 68 else 16
        numbers = struct.unpack_from("<d" if tag == 68 else "<dd", data, at)
        return (numbers[0] if tag == 68 else complex(*numbers)), at + size
    (count,) = struct.unpack_from("<I", data, at)
    at += 4
    if tag in b"ISB":
        if count > len(data) - at:
            raise ValueError("cut short")
        text = bytes(data[at:at + count])
        if tag == 73:
            return int(text, 16), at + count
        return (text.decode("utf-8", "surrogatepass") if tag == 83 else text), at + count
    kind = KINDS.get(tag)
    if kind is None or count > len(data) - at:
        raise ValueError("no value")
    items = []
    for _ in range(count * 2 if kind is dict else count):
        item, at = decode(data, at, depth + 1)
        items.append(item)
    try:
        return (dict(zip(items[::2], items[1::2])) if kind is dict else kind(items)), at
    except TypeError:
        raise ValueError("a key that cannot be one")


def receive(fd):
    """One message, or None when the other side is gone."""
    data = b""
    while len(data) < 4:
        piece = os.read(fd, 4 - len(data))
        if not piece:
            return None
        data += piece
    (size,) = struct.unpack("<I", data)
    if size > LIMIT + 4096:
        raise ValueError("a message of %d bytes" % size)
    data = bytearray()
    while len(data) < size:
        piece = os.read(fd, min(size - len(data), 65536))
        if not piece:
            return None
        data += piece
    return bytes(data)


def send(fd, message):
    data = struct.pack("<I", len(message)) + message
    while data:
        data = data[os.write(fd, data):]
