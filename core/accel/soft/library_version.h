/* Versions of the libraries that the core runs on, for recordings and reports. */
#ifndef HWACCL_LIBRARY_VERSION_H
#define HWACCL_LIBRARY_VERSION_H

struct hwaccl_library_version {
        unsigned major;
        unsigned minor;
};

/**
 * hwaccl_unicorn_version, hwaccl_capstone_version - of the library that is loaded, not of the headers
 *
 * Unicorn is loaded when the first soft accelerator is made; before that its version is 0.0.
 */
struct hwaccl_library_version hwaccl_unicorn_version(void);
struct hwaccl_library_version hwaccl_capstone_version(void);

#endif
