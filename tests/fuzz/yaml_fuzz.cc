// Any bytes give a tree or a ConfigError, and what was read is written so that it reads back.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  cogent::Node tree;
  try {
    tree = cogent::ParseYaml(text, "input.yaml");
  } catch (const cogent::ConfigError&) {
    return 0;
  }
  // The second writing must equal the first; a ConfigError here is a finding.
  const std::string first = cogent::DumpYaml(tree);
  if (cogent::DumpYaml(cogent::ParseYaml(first, "dump.yaml")) != first) std::abort();
  // The same bytes as an override of what they made.
  try {
    cogent::ApplyOverride(tree, text);
  } catch (const cogent::ConfigError&) {
  }
  return 0;
}
