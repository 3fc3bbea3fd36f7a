// The part of Boost.Process that is compiled once: header-only use of 1.81 does not link.
#define BOOST_PROCESS_V2_SEPARATE_COMPILATION
#include <boost/process/v2/src.hpp>
