// What the pages share: one look, no network, no script.
//
//   std::string page = PageHead("first", "Cogent run") + "<h2>Curves</h2>" + ... + PageEnd();
//
// Thread rule: free functions.
#pragma once

#include <cstddef>
#include <string>

#include "experiments/run_reader.h"

namespace cogent {

inline constexpr std::size_t kMostText = 6000;  // bytes of a completion that are shown

// Up to the heading; both texts are escaped here. Holds the style of the charts, too.
std::string PageHead(const std::string& title, const std::string& kind);
std::string PageEnd();

// A completion with its rewards; null says that none was kept.
std::string SampleCard(const SampleLine* sample);

bool IsShare(const std::string& metric);  // 0 to 1, shown in percent
std::string FormatMetric(const std::string& metric, double value);

}  // namespace cogent
