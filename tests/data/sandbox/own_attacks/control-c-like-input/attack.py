# Ordinary use of input().
while True:
    try:
        print(int(input()) ** 2)
    except EOFError:
        break
