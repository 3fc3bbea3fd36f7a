// The words of any bytes lie in the text in their order, and every one is counted in one language.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "verifiers/language.h"
#include "verifiers/prose.h"

namespace {

void Demand(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cogent;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const char* at = text.data();
  for (const ProseWord& word : ProseWords(text)) {
    Demand(word.text.data() >= at && !word.text.empty());
    at = word.text.data() + word.text.size();
  }
  Demand(at <= text.data() + text.size());
  const LanguageCounts counts = CountLanguages(text);
  int sum = 0;
  for (const int words : counts.words) {
    Demand(words >= 0);
    sum += words;
  }
  Demand(sum == counts.total);
  const double fraction = LanguageFraction(text, "en");
  Demand(fraction >= 0.0 && fraction <= 1.0);
  Demand(MainLanguage(text).empty() == (counts.total == 0));
  return 0;
}
