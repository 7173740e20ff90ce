/* The least that a tool can do: what Ocelot's figures are held against where no other tool does the same.
 *
 *   floor stat LIST            lstat every path, on two threads
 *   floor write LIST           create, write and close every file
 *   floor sh LIST JOBS         run every line through `sh -c`, JOBS at once
 *   floor direct LIST JOBS     start every program itself, with its output in a file
 *
 * LIST holds fields that end with a zero byte: a path; a path and its content; a command; an output, its arguments and an
 * empty field. In the last two an empty record waits for all that was started. Compiled by compare.py. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void die(const char *what) {
    perror(what);
    exit(1);
}

struct part {
    char **paths;
    size_t count;
};

static void *look(void *given) {
    const struct part *part = given;
    struct stat seen;
    for (size_t at = 0; at < part->count; at++)
        if (lstat(part->paths[at], &seen) != 0) die(part->paths[at]);
    return NULL;
}

static void look_at_all(char **fields, size_t count) {
    struct part first = {fields, count / 2}, second = {fields + count / 2, count - count / 2};
    pthread_t other;
    if (pthread_create(&other, NULL, look, &second) != 0) die("pthread_create");
    look(&first);
    pthread_join(other, NULL);
}

static void write_all(char **fields, size_t count) {
    for (size_t at = 0; at + 1 < count; at += 2) {
        int file = open(fields[at], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        size_t length = strlen(fields[at + 1]);
        if (file < 0 || write(file, fields[at + 1], length) != (ssize_t)length || close(file) != 0) die(fields[at]);
    }
}

static int running;

static void wait_for_one(void) {
    int status;
    if (wait(&status) < 0) die("wait");
    if (status != 0) exit(1);
    running--;
}

static void start(char **argv, const char *output, int jobs) {
    posix_spawn_file_actions_t files;
    pid_t child;
    while (running >= jobs) wait_for_one();
    posix_spawn_file_actions_init(&files);
    if (output) posix_spawn_file_actions_addopen(&files, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (posix_spawnp(&child, argv[0], &files, NULL, argv, environ) != 0) die(argv[0]);
    posix_spawn_file_actions_destroy(&files);
    running++;
}

static void run_all(char **fields, size_t count, int direct, int jobs) {
    for (size_t at = 0; at < count; at++) {
        if (!*fields[at]) {
            while (running > 0) wait_for_one();
        } else if (direct) {
            char *output = fields[at], *argv[64];
            size_t length = 0;
            while (++at < count && *fields[at] && length < 63) argv[length++] = fields[at];
            argv[length] = NULL;
            start(argv, output, jobs);
        } else {
            char *argv[] = {"sh", "-c", fields[at], NULL};
            start(argv, NULL, jobs);
        }
    }
    while (running > 0) wait_for_one();
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    int list = open(argv[2], O_RDONLY | O_CLOEXEC);
    struct stat seen;
    if (list < 0 || fstat(list, &seen) != 0) die(argv[2]);
    char *text = malloc(seen.st_size + 1), **fields = malloc((seen.st_size + 1) * sizeof(char *));
    if (!text || !fields || read(list, text, seen.st_size) != seen.st_size) die(argv[2]);
    size_t count = 0;
    for (char *at = text; at < text + seen.st_size; at += strlen(at) + 1) fields[count++] = at;
    int jobs = argc > 3 ? atoi(argv[3]) : 1;
    if (!strcmp(argv[1], "stat")) look_at_all(fields, count);
    else if (!strcmp(argv[1], "write")) write_all(fields, count);
    else run_all(fields, count, !strcmp(argv[1], "direct"), jobs);
    return 0;
}
