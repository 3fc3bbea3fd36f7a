// The compiled part of Boost.Process v2, once (header-only, 1.81 does not link).
#include <boost/process/v2/src.hpp>
