# What is read on the other side must be judged, not crash.
calls = 0
def digit_sum(n):
    global calls
    calls += 1
    return [{1: 2, True: 3}, {float('nan'): 1}, {frozenset(): ()}, '\ud800'][calls % 4]
