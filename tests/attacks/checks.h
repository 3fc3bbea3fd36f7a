// What the attack harness prepares on the host, and what it looks at afterwards.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/judge.h"
#include "sandbox/sandbox.h"

namespace cogent::attacks {

std::string Token();  // random, starts with RLTOKEN-

struct Case {
  std::string id;
  std::filesystem::path folder;
  nlohmann::json json;
  bool under_terminal = false;
  bool looks_at_host = false;  // a check measures the machine as a whole
};
Case LoadCase(const std::filesystem::path& folder);  // throws std::runtime_error with the file's name

struct Harness {
  explicit Harness(SandboxOptions options) : sandbox(options) {}
  Sandbox sandbox;
};

// Empty when every check holds, else the first that does not.
std::string RunCase(Harness& harness, const Case& one);

// ---- the host side of `needs` (host.cc) ----
class Host {
 public:
  explicit Host(const std::vector<std::string>& needs);
  ~Host();
  std::string Filled(std::string text) const;        // @@NAME@@ replaced
  const std::vector<std::string>& tokens() const { return tokens_; }
  bool Connected(const std::string& listener) const;  // anything arrived at it
  bool PortReachable() const;                         // the free port, right now
  int VictimSignals() const;
  const std::map<std::string, std::string>& contents() const { return contents_; }  // files made, with their text

 private:
  void MakeCanary();
  void MakeVictim();
  void Listen(const std::string& kind);
  std::map<std::string, std::string> values_;
  std::vector<std::string> tokens_;
  std::map<std::string, int> listeners_;
  std::map<std::string, std::string> contents_;
  std::filesystem::path canary_;
  int free_port_ = 0, victim_ = -1, victim_pipe_ = -1;
};

// ---- what is seen of the machine (host.cc) ----
struct Sight {
  int processes = 0;            // below the spawner or in a pid namespace below ours
  std::int64_t run_memory = 0;  // of those, bytes of their own and of shared memory
  std::int64_t disk = 0;        // used on the file systems of /, /tmp and the working directory
  std::int64_t own_memory = 0;  // of this process
  int descriptors = 0, mounts = 0, groups = 0;
  std::vector<std::string> names;  // of those processes
};
Sight Look(int spawner);
std::vector<std::string> Leftovers();  // rlatk-*, core files, set-id files in /tmp, /dev/shm, /var/tmp, here
std::string Sha256OfFile(const std::string& path);  // empty when it cannot be read

}  // namespace cogent::attacks
