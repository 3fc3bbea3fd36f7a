#include "core/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <cstdlib>
#include <memory>
#include <string_view>

namespace cogent {
namespace {

spdlog::level::level_enum LevelFromEnvironment(spdlog::logger& logger) {
  const char* text = std::getenv("COGENT_LOG_LEVEL");
  const std::string_view word = text ? text : "";
  if (word.empty() || word == "info") return spdlog::level::info;
  if (word == "debug") return spdlog::level::debug;
  if (word == "warn") return spdlog::level::warn;
  if (word == "error") return spdlog::level::err;
  if (word == "off") return spdlog::level::off;
  logger.warn("COGENT_LOG_LEVEL is '{}', which is not one of debug, info, warn, error, off; using info", word);
  return spdlog::level::info;
}

spdlog::logger MakeLogger() {
  const char* no_color = std::getenv("NO_COLOR");
  const bool plain = no_color && *no_color != '\0';
  const auto color = plain ? spdlog::color_mode::never : spdlog::color_mode::automatic;
  spdlog::logger logger("cogent", std::make_shared<spdlog::sinks::stderr_color_sink_mt>(color));
  logger.set_pattern("%^%l%$: %v");
  logger.set_level(LevelFromEnvironment(logger));
  return logger;
}

// Made at the first message, never changed afterwards.
spdlog::logger& Logger() {
  static spdlog::logger logger = MakeLogger();
  return logger;
}

}  // namespace

// The message is an argument, never a format: it may hold braces.
void LogDebug(const std::string& message) { Logger().debug("{}", message); }
void LogInfo(const std::string& message) { Logger().info("{}", message); }
void LogWarn(const std::string& message) { Logger().warn("{}", message); }
void LogError(const std::string& message) { Logger().error("{}", message); }

}  // namespace cogent
