/** What of a pod's namespace is ours: this table and all that is in it; nothing outside of it is touched. */
export const TABLE = { family: 'inet', name: 'multi_networkpolicy' } as const

/** The chain that no hook leads to, whose rules say whose ruleset stands, and which version of it. */
export const DIGEST_CHAIN = 'mnpd'
