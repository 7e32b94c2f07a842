/**
 * The C library, by koffi. Calls are synchronous but for one, since koffi runs others on threads of a pool, which are in a
 * network namespace of their own.
 */
import { getSystemErrorName } from 'node:util'

/** The part of koffi that is used; it is imported by the worker alone, so that whoever never opens one never pays. */
export type Koffi = typeof import('koffi')['default']

/** Each returns -1 for an error, which `lastError` then tells by its name, such as `ENOENT`. */
export type Libc = {
  readonly setns: (fd: number, kind: number) => number
  readonly socket: (domain: number, type: number, protocol: number) => number
  readonly connect: (fd: number, address: Uint8Array, length: number) => number
  readonly getsockopt: (
    fd: number,
    level: number,
    name: number,
    value: Uint8Array,
    length: Uint8Array,
  ) => number
  readonly send: (fd: number, bytes: Uint8Array, length: number, flags: number) => number
  readonly recv: (fd: number, bytes: Uint8Array, length: number, flags: number) => number
  /** Variadic: the name of a type before each further argument. */
  readonly fcntl: (fd: number, command: number, type: 'int', value: number) => number
  readonly close: (fd: number) => number
  /** `fcntl` on another thread, which has an `errno` of its own. */
  readonly fcntlElsewhere: (
    fd: number,
    command: number,
    value: number,
    done: (error: unknown, result: number) => void,
  ) => void
  readonly lastError: () => string
}

/** Throws where koffi finds no C library. */
export function loadLibc(koffi: Koffi): Libc {
  const c = koffi.load(null)
  return {
    setns: c.func('int setns(int, int)'),
    socket: c.func('int socket(int, int, int)'),
    connect: c.func('int connect(int, const void *, unsigned int)'),
    getsockopt: c.func('int getsockopt(int, int, int, _Out_ void *, _Inout_ void *)'),
    send: c.func('long send(int, const void *, size_t, int)'),
    recv: c.func('long recv(int, _Out_ void *, size_t, int)'),
    fcntl: c.func('int fcntl(int, int, ...)'),
    close: c.func('int close(int)'),
    // Declared without its dots, since koffi has no other way to call it so; an int goes the same way in both.
    fcntlElsewhere: c.func('int fcntl(int, int, int)').async,
    lastError: () => getSystemErrorName(-koffi.errno()),
  }
}
