// The tree in README.md is true: what it names is there, and every source file is in it.
//
// The tree is the first fenced block that has a line beginning with "core/". A line is a path, two
// spaces or more, and what it is. Files are indented below their folder; `x.{h,cc}` and `a.h, b.h`
// name several, `*` stands for anything.
#include <fnmatch.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = COGENT_SOURCE_DIR;

std::vector<std::string> TreeLines() {
  std::ifstream readme(kRoot / "README.md");
  std::vector<std::string> block;
  bool inside = false, is_tree = false;
  for (std::string line; std::getline(readme, line);) {
    if (line.rfind("```", 0) == 0) {
      if (inside && is_tree) return block;
      inside = !inside;
      block.clear();
      continue;
    }
    if (!inside) continue;
    block.push_back(line);
    is_tree |= line.rfind("core/", 0) == 0;
  }
  return {};
}

// "a.{h,cc}" to "a.h", "a.cc"; anything else to itself.
std::vector<std::string> Expanded(const std::string& word) {
  const std::size_t open = word.find('{'), close = word.find('}');
  if (open == std::string::npos || close == std::string::npos || close < open) return {word};
  std::vector<std::string> all;
  std::istringstream parts(word.substr(open + 1, close - open - 1));
  for (std::string part; std::getline(parts, part, ',');) {
    all.push_back(word.substr(0, open) + part + word.substr(close + 1));
  }
  return all;
}

// The words before the description; "a.h, b.h" are two, and commas in braces do not part.
std::vector<std::string> Names(const std::string& line) {
  const std::size_t start = line.find_first_not_of(' ');
  const std::string head = line.substr(start, line.find("  ", start) - start);
  std::vector<std::string> names(1);
  bool braces = false;
  for (const char c : head) {
    if (c == '{') braces = true;
    if (c == '}') braces = false;
    if (c == ',' && !braces) {
      names.emplace_back();
    } else if (c != ' ') {
      names.back() += c;
    }
  }
  return names;
}

// Every path that the tree names, from the root, patterns included.
std::set<std::string> NamedPaths() {
  std::set<std::string> paths;
  std::string folder;
  for (const std::string& line : TreeLines()) {
    if (line.find_first_not_of(' ') == std::string::npos) continue;
    const bool indented = line[0] == ' ';
    if (!indented) folder.clear();
    for (const std::string& name : Names(line)) {
      for (const std::string& path : Expanded(name)) {
        const bool from_root = !indented || fs::exists(kRoot / path);
        paths.insert(from_root ? path : folder + path);
      }
    }
    if (!indented && Names(line).front().ends_with('/')) folder = Names(line).front();
  }
  return paths;
}

bool Matches(const std::string& pattern, const std::string& path) {
  return fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME) == 0;
}

std::vector<std::string> FilesBelow(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
    if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), kRoot).string());
  }
  return files;
}

TEST(Readme, HasATreeOfTheCode) { EXPECT_GT(TreeLines().size(), 20u); }

TEST(Readme, NamesOnlyFilesAndFoldersThatExist) {
  for (const std::string& path : NamedPaths()) {
    if (path.find('*') == std::string::npos) {
      EXPECT_TRUE(fs::exists(kRoot / path)) << "README.md names " << path << ", which is not there";
      continue;
    }
    bool found = false;
    const std::string folder = path.substr(0, path.find('*')).substr(0, path.substr(0, path.find('*')).rfind('/') + 1);
    if (fs::exists(kRoot / folder)) {
      for (const std::string& file : FilesBelow(folder.empty() ? "." : folder)) found |= Matches(path, file);
    }
    EXPECT_TRUE(found) << "README.md names " << path << ", and nothing fits it";
  }
}

TEST(Readme, NamesEverySourceFile) {
  const std::set<std::string> paths = NamedPaths();
  for (const char* folder : {"core", "sandbox", "verifiers", "envs", "agents", "policies", "algorithms", "experiments"}) {
    for (const std::string& file : FilesBelow(folder)) {
      const std::string end = fs::path(file).extension();
      if (end != ".cc" && end != ".h" && end != ".cu" && end != ".yaml") continue;
      bool named = false;
      for (const std::string& path : paths) named |= Matches(path, file);
      EXPECT_TRUE(named) << "README.md's tree lacks " << file;
    }
  }
}

}  // namespace
