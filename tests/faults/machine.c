/* A machine that fails as files in a folder say, for one process and only while they are there.
 *
 * Preloaded into the bot, never into what it starts. The folder is $FAULTS; only what lies under $FAULTS_AT is hit:
 *   full    writing says that the disk is full
 *   fsync   making writes durable says that the disk has failed
 *   clock   holds the seconds that the wall clock is ahead, perhaps less than none; the monotonic clock goes on
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int fault_path(char *path, size_t size, const char *name)
{
    const char *folder = getenv("FAULTS");
    return folder != NULL && snprintf(path, size, "%s/%s", folder, name) < (int)size;
}

static int is_on(const char *name)
{
    char path[4096];
    return fault_path(path, sizeof path, name) && access(path, F_OK) == 0;
}

static int is_hit(int fd, const char *name)
{
    int before = errno, hit = 0;
    char link[64], path[4096];
    const char *at = getenv("FAULTS_AT");
    if (at != NULL && is_on(name)) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        hit = length > 0 && strncmp(path, at, strlen(at)) == 0;
    }
    errno = before;
    return hit;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAILS(fd, fault, code) \
    if (is_hit(fd, fault)) { errno = code; return -1; }

ssize_t write(int fd, const void *bytes, size_t count)
{
    FAILS(fd, "full", ENOSPC)
    return REAL(write)(fd, bytes, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
    FAILS(fd, "full", ENOSPC)
    return REAL(pwrite)(fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset)
{
    FAILS(fd, "full", ENOSPC)
    return REAL(pwrite64)(fd, bytes, count, offset);
}

int fsync(int fd)
{
    FAILS(fd, "fsync", EIO)
    return REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    FAILS(fd, "fsync", EIO)
    return REAL(fdatasync)(fd);
}

static time_t ahead(void)
{
    char path[4096], text[32] = "";
    int before = errno;
    if (fault_path(path, sizeof path, "clock")) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            ssize_t length = read(fd, text, sizeof text - 1);
            text[length > 0 ? length : 0] = '\0';
            syscall(SYS_close, fd);
        }
    }
    errno = before;
    return (time_t)atoll(text);
}

int clock_gettime(clockid_t clock, struct timespec *at)
{
    int done = REAL(clock_gettime)(clock, at);
    if (done == 0 && clock == CLOCK_REALTIME)
        at->tv_sec += ahead();
    return done;
}

int gettimeofday(struct timeval *at, void *zone)
{
    int done = (int)syscall(SYS_gettimeofday, at, zone);
    if (done == 0)
        at->tv_sec += ahead();
    return done;
}

time_t time(time_t *at)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at != NULL)
        *at = now.tv_sec;
    return now.tv_sec;
}
