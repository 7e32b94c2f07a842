/**
 * koffi, which is native and outside of every bundle. Its own loader reads ten files to find out which of its libraries is
 * the machine's: 10 ms, of which the library itself is one (measured). So that which is most likely is tried first.
 */
import { createRequire } from 'node:module'
import type { Koffi } from './libc.ts'

/** Rejects where there is none for this machine. */
export async function loadKoffi(): Promise<Koffi> {
  const { arch, platform } = process
  try {
    const library = `@koromix/koffi-${platform}-${arch}/${platform}_${arch}/koffi.node`
    return createRequire(import.meta.url)(library) as Koffi
  } catch {
    return (await import('koffi')).default
  }
}
