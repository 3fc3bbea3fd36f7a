// Programs to request bytes, reply bytes to results. Internal to sandbox/.
//
//   std::string bytes = EncodeRequest(7, {EncodeProgram(program, limits, wire::kScript)});
//   std::vector<Outcome> outcomes = DecodeOutcomes(reply_body, head.outcomes);
//   RunResult result = ResultOf(outcomes[0], limits);
//
// Thread rule: pure functions.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sandbox/sandbox.h"
#include "sandbox/wire.h"

namespace cogent {

struct Outcome {
  wire::OutcomeHead head;
  std::string out, err, fault;
};

using LanguageTable = std::map<std::string, Language>;
// Ours or one of `more`. Throws ConfigError with the known names.
const Language& FindLanguage(const std::string& name, const LanguageTable& more);

std::string EncodeProgram(const Program& program, const Limits& limits, wire::Mode mode, const LanguageTable& more = {});
std::string EncodeRequest(std::uint64_t id, const std::vector<std::string>& programs);
// Throws SandboxError on bytes that are no reply.
std::vector<Outcome> DecodeOutcomes(const std::string& body, std::uint32_t count);
// The verdict by wait status, counters and limits.
RunResult ResultOf(Outcome outcome, const Limits& limits);
RunResult InternalFault(const std::string& reason);

}  // namespace cogent
