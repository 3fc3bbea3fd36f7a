// The bytes between the library and its workers, on one machine. Internal to sandbox/.
//
// A request is a RequestHead, then for each program a ProgramHead and its parts; a reply is a ReplyHead,
// then for each program an OutcomeHead, standard output and standard error. The structs are sent as
// they lie in memory: both ends are of one build (kWireVersion says so). The zygote library includes
// this file and has no C++ runtime, so it holds plain data only.
// Thread rule: data only.
#pragma once

#include <cstdint>

namespace cogent::wire {

inline constexpr std::uint32_t kWireVersion = 0xC09E0003;
inline constexpr std::uint32_t kMaxPrograms = 2;  // a candidate and its judge
inline constexpr std::uint64_t kMaxRequestBytes = 256ull << 20;

// Descriptors that a worker starts with. The program of a run has 0, 1, 2 and, with a channel, 3.
inline constexpr int kControlDescriptor = 3;
inline constexpr int kConfigDescriptor = 4;
inline constexpr int kFirstGroupDescriptor = 5;

struct Limits {
  double wall_seconds;
  double cpu_seconds;
  std::uint64_t memory_bytes;   // of the whole run where there is a control group, else of a process
  std::uint64_t output_bytes;   // of each stream
  std::uint64_t file_bytes;     // of one file
  std::uint64_t storage_bytes;  // of all files
  std::uint64_t processes;      // with threads
  std::uint64_t open_files;
};

// What the worker's process does with the program.
enum Mode : std::uint32_t {
  kScript = 0,     // program.py as the main program
  kCandidate = 1,  // program.py, whose functions then answer calls on the channel
  kJudge = 2,      // the tests in its input, which call on the channel
  kCommand = 3,    // the commands in argv: each a list of words, run in order
};

struct ProgramHead {
  std::uint32_t mode;
  std::uint32_t keep_stdin_open;  // 1: no end of file behind the input
  std::uint32_t files;            // how many follow: FileHead, name, bytes
  std::uint32_t commands;         // how many follow (kCommand): word count, then length and bytes of each word
  std::uint64_t stdin_bytes;      // these follow the commands
  std::uint64_t total_bytes;      // all that follows this head
  Limits limits;
  Limits build_limits;            // of every command but the last
};

struct FileHead {
  std::uint32_t name_bytes;
  std::uint32_t padding;
  std::uint64_t bytes;
};

struct RequestHead {
  std::uint32_t version;
  std::uint32_t programs;
  std::uint64_t id;
  std::uint64_t total_bytes;  // all that follows this head
};

enum class EndedBy : std::uint32_t { kItself, kWall, kOutput, kPartner };

struct OutcomeHead {
  EndedBy ended_by;
  std::int32_t wait_status;       // of the main process; meaningful unless fault_bytes > 0
  std::uint32_t building;         // 1: it ended before its last command began
  std::uint32_t out_cut, err_cut; // 1: there was more
  std::uint32_t whole_run_peak;   // 1: peak_bytes is of all processes together
  std::uint64_t memory_kills;     // processes that the control group's limit ended
  std::uint64_t process_refusals; // forks that it refused
  double wall_seconds, cpu_seconds;
  std::uint64_t peak_bytes;
  std::uint64_t out_bytes, err_bytes, fault_bytes;  // these follow; a fault is one of the sandbox, in words
};

enum class ReplyKind : std::uint32_t { kReady, kResult, kFailed };

struct ReplyHead {
  std::uint32_t version;
  ReplyKind kind;
  std::uint64_t id;
  std::uint32_t outcomes;  // kReady: the version of the control group, 0 = none
  std::uint32_t padding;
  std::uint64_t total_bytes;  // all that follows; kFailed: a text
};

// What can be left out, in tests of what each layer is for. Nothing in production sets a bit.
enum Layer : std::uint32_t {
  kFilter = 1,        // system calls
  kNetwork = 2,       // network namespace
  kPids = 4,          // pid namespace of the run
  kMounts = 8,        // fresh tmpfs of the run
  kPrivileges = 16,   // capabilities dropped, no new privileges
  kRlimits = 32,
  kGroup = 64,        // control group
  kClock = 128,       // wall clock
  kRoot = 256,        // own root
  kIpc = 512,         // ipc namespace of the run
};

// What the caller orders of the spawner with each worker: one packet, and with it the worker's end of its
// control socket.
struct WorkerOrder {
  std::uint32_t version;
  std::uint32_t reduced;  // 1: no namespaces
  std::uint32_t without;  // Layer bits
  std::uint32_t want_group;
  char python[400];
  char zygote[400];       // libcogent_zygote.so
};

// Given to the zygote through kConfigDescriptor, followed by the two filters.
struct ZygoteConfig {
  std::uint32_t version;
  std::uint32_t without;         // Layer bits
  std::uint32_t namespaces;      // 1: full level
  std::uint32_t has_proc;        // 1: a fresh /proc can be mounted
  std::uint32_t filter_bytes;         // for runs of many processes
  std::uint32_t single_filter_bytes;  // for runs of one
  std::uint32_t group_version;        // 0 none, 1, 2
  // Files of the control group, open; -1 where there is none.
  std::int32_t memory_procs, pids_procs, memory_limit, swap_limit, memory_peak, memory_events;
  std::int32_t pids_limit, pids_events;
  char folder[128];                   // runs write below it: /tmp, or without namespaces one of the worker's own
};

}  // namespace cogent::wire
