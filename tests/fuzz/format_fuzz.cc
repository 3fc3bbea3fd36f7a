// Layouts, summaries and repetition on any bytes. Lenient takes whatever strict does; the first
// byte chooses the token.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "verifiers/format.h"
#include "verifiers/repetition.h"

namespace {

void Demand(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cogent;
  const char* const tokens[] = {"|special_token|", "<|t|>", "a", " ||", "\xFF"};
  if (size == 0) return 0;
  const std::string token = tokens[data[0] % 5],
                    text(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (const Layout layout : {Layout::kThinkAnswer, Layout::kColdStart}) {
    const bool strict = HasLayout(text, {.layout = layout, .token = token});
    const bool lenient = HasLayout(text, {.layout = layout, .lenient = true, .token = token});
    Demand(lenient || !strict);
    if (layout == Layout::kColdStart && strict) {
      Demand(Summary(text, {.layout = layout, .token = token}).has_value());
      Demand(ReasoningInLayout(text, token).has_value());
    }
  }
  const double share = RepeatedShare(text, 1 + data[0] % 4);
  Demand(share >= 0.0 && share < 1.0);
  return 0;
}
