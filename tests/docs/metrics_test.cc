// docs/metrics.md is the table of experiments/metrics.cc. To write it anew after a change there:
//
//   COGENT_WRITE_DOCS=1 build/release/docs_tests --gtest_filter='MetricsPage*'
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "core/file.h"
#include "experiments/metrics.h"

namespace cogent {
namespace {

const std::string kPath = std::string(COGENT_SOURCE_DIR) + "/docs/metrics.md";
constexpr std::string_view kMark = "<!-- From experiments/metrics.cc; tests/docs/metrics_test.cc says how. -->\n\n";

TEST(MetricsPage, HoldsTheTableOfTheCode) {
  const std::string page = ReadFile(kPath);
  const std::size_t mark = page.find(kMark);
  ASSERT_NE(mark, std::string::npos) << kPath << " has lost the line above its table";
  const std::string wanted = page.substr(0, mark) + std::string(kMark) + MetricTableMarkdown();
  if (std::getenv("COGENT_WRITE_DOCS") != nullptr) WriteFileAtomic(kPath, wanted);
  EXPECT_EQ(ReadFile(kPath), wanted)
      << "experiments/metrics.cc has changed; run again with COGENT_WRITE_DOCS=1 to write docs/metrics.md";
}

}  // namespace
}  // namespace cogent
