// The program cogent-sandbox. People use `cogent sandbox` instead.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sandbox/helper/helper.h"

int main(int argc, char** argv) {
  using namespace cogent::helper;
  if (argc == 2 && std::strcmp(argv[1], "spawn") == 0) return Spawn();
  if (argc == 3 && std::strcmp(argv[1], "work") == 0) return WorkFrom(std::atoi(argv[2]));
  if (argc == 4 && std::strcmp(argv[1], "probe") == 0) return Probe(argv[2], argv[3]);
  std::fprintf(stderr, "cogent-sandbox is a part of the library; use `cogent sandbox run FILE` or `cogent sandbox doctor`\n");
  return 2;
}
