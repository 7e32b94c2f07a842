/** `--backend`: by which rules pods are enforced, and what other kinds may be left of earlier. */
import type { Backend } from '../apply/backend.ts'
import { iptablesBackend } from '../apply/iptables-backend.ts'
import { nftablesBackend } from '../apply/nftables-backend.ts'
import { BACKEND_NAMES, type FlagValues } from './flags.ts'

const ALL: readonly Backend<unknown>[] = [nftablesBackend, iptablesBackend()]

export interface Backends {
  readonly backend: Backend<unknown>
  readonly others: readonly Backend<unknown>[]
}

export function backendsOf(flags: FlagValues): Backends {
  const name = flags.oneOf('backend', BACKEND_NAMES, 'nftables')
  const backend = ALL.find((each) => each.name === name) ?? nftablesBackend
  return { backend, others: ALL.filter((each) => each !== backend) }
}
