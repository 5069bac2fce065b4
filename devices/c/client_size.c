/* For `make size`: one client without its buffers, whose bytes show as `bss`. */
#include "ringwire_device.h"

rwd_client the_client;
