// What can go wrong, and whose mistake it is.
//
// An expected outcome (a wrong answer, a cut completion) is data, never an exception. What a caller
// cannot go on from is one of these. The program turns ConfigError and DataError into one message
// and exit code 2, MachineError into exit code 3, everything else into exit code 1.
//
//   throw cogent::DataError("model.safetensors: tensor 'lm_head.weight' is missing; "
//                           "the file is cut short or belongs to another architecture");
//
// A message says what is wrong, where, what was allowed, and what to do.
#pragma once

#include <stdexcept>
#include <string>

namespace cogent {

// Base of everything this library throws on purpose.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A mistake in a YAML file, an override or a command line. May hold several lines, one a mistake.
class ConfigError : public Error {
  using Error::Error;
};

// A file or data set that cannot be used: cut short, of another shape, missing.
class DataError : public Error {
  using Error::Error;
};

// The machine lacks something; the message names it and says how to get it.
class MachineError : public Error {
  using Error::Error;
};

// The sandbox itself failed (not the program in it).
class SandboxError : public Error {
  using Error::Error;
};

// A remote endpoint failed for good.
class RemoteError : public Error {
  using Error::Error;
};

// A bug of ours.
class InternalError : public Error {
  using Error::Error;
};

// Throws InternalError with the place of the call when `condition` does not hold. (Built-ins, since
// clang 14, which builds the fuzzers, has no std::source_location.)
inline void Check(bool condition, const char* what, const char* file = __builtin_FILE(),
                  int line = __builtin_LINE()) {
  if (!condition) {
    throw InternalError(std::string(file) + ":" + std::to_string(line) +
                        ": internal error: " + what + "; please report this with the command you ran");
  }
}

}  // namespace cogent
