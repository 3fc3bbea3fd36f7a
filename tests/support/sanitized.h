// What takes a second takes up to half a minute under the sanitizers, which look at every byte. Tests of how much can be done to something do less
// there; the release build's tests do all of it.
#pragma once

#include <cstddef>

namespace cogent {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

// Bytes of a hostile text: a megabyte, or a sixteenth of one.
inline constexpr std::size_t kALot = kSanitized ? 1 << 16 : 1 << 20;

}  // namespace cogent
