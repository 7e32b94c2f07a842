/** What this node's kernel can do, by its version, where the rules depend on that. */
import { release } from 'node:os'
import type { KernelAbilities } from '../compile/nftables/interface.ts'

/** @param version as `uname -r` prints it; what distributions have taken over into older ones is not counted on */
export function abilitiesOf(version: string): KernelAbilities {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  return { slaves: major > 5 || (major === 5 && minor >= 6) }
}

export const KERNEL: KernelAbilities = abilitiesOf(release())
