/**
 * What can be told of a network namespace without a process: quick answers that spare the slow ones. Where they cannot be
 * had (no koffi, no /proc), everything is asked the slow way.
 */
import {
  FIRST_GENERATION,
  hasConnections,
  hasLegacyTables,
  type NetnsAccess,
  openNetnsAccess,
} from 'nftables-json/netns'
import type { OpenNetns } from './open-netns.ts'

export interface KernelView {
  /** See `NetnsAccess`. */
  readonly access: NetnsAccess
  /** A number that changes with whatever is changed in nf_tables there; undefined where it cannot be told. */
  generation(netns: OpenNetns): number | undefined
  /** Whether nobody has ever filtered packets there. @param generation of the moment, where it was asked for already */
  isUntouched(netns: OpenNetns, generation?: number): boolean
  /** Whether the legacy variant of iptables has ever been used there; true where it cannot be told. */
  hasLegacyTables(netns: OpenNetns): boolean
  /** Whether there are sockets of TCP, or connected ones of UDP; true where it cannot be told. */
  hasConnections(netns: OpenNetns): boolean
}

export async function openKernelView(): Promise<KernelView | undefined> {
  const access = await openNetnsAccess()
  if (access === undefined) return undefined
  const view: KernelView = {
    access,
    generation: ({ path }) => access.generation(path),
    isUntouched: (netns, generation = access.generation(netns.path)) =>
      generation === FIRST_GENERATION && !access.hasTables(netns.path) && !view.hasLegacyTables(netns),
    hasLegacyTables: ({ path }) => access.within(path, hasLegacyTables) ?? true,
    hasConnections: ({ path }) => access.within(path, hasConnections) ?? true,
  }
  return view
}
