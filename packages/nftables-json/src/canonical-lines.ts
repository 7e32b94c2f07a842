/**
 * A table in one spelling as lines, for a person to read and for two tables to be told apart by:
 *
 *     set peers: ipv4_addr interval
 *     set peers: 10.0.0.0/8
 *     chain in: filter input 0 accept
 *     chain in: ip saddr == { @peers } counter accept comment "peers"
 */
import { canonical } from './canonical.ts'
import type { Json } from './expression-types.ts'
import type { ListedTable } from './listing-types.ts'

/** The lines of two tables are the same where `sameTable` says so. Rules are in the order in which packets meet them. */
export function tableLines(table: ListedTable): readonly string[] {
  const { chains, sets, counters, ...rest } = canonical(table) as { readonly [part: string]: Json }
  return [
    ...entries(sets).flatMap(([name, set]) => holderLines(`set ${name}`, set)),
    ...entries(counters).map(([name, comment]) => `counter ${name}: ${plain(comment)}`),
    ...entries(chains).flatMap(([name, chain]) => chainLines(`chain ${name}`, chain)),
    ...entries(rest).flatMap(([name, value]) => (isEmpty(value) ? [] : [`${name}: ${plain(value)}`])),
  ]
}

function holderLines(what: string, set: Json): readonly string[] {
  const { elem, ...properties } = fields(set)
  const listed = Array.isArray(elem) ? (elem as readonly Json[]) : []
  const head = Object.values(properties)
    .filter((value) => !isEmpty(value))
    .map((value) => (Array.isArray(value) ? value.map(plain).join(' ') : plain(value)))
  return [`${what}: ${head.join(' ')}`, ...listed.map((element) => `${what}: ${plain(element)}`)]
}

function chainLines(what: string, chain: Json): readonly string[] {
  const { rules, ...properties } = fields(chain)
  const head = Object.values(properties).map(plain)
  const listed = Array.isArray(rules) ? (rules as readonly (readonly Json[])[]) : []
  return [
    [what, ...head].join(': '),
    ...listed.map(
      (statements) => `${what}: ${statements.map((each) => statementText(plain(each))).join(' ')}`,
    ),
  ]
}

/** `{"accept":null}` reads `accept`, `{"jump":{"target":"x"}}` reads `jump x`, `{"ct":{"key":"state"}}` reads `ct state`. */
function statementText(text: string): string {
  return text
    .replace(/\{"(\w+)":null\}/g, '$1')
    .replace(/\{"(jump|goto)":\{"target":"([^"]*)"\}\}/g, '$1 $2')
    .replace(/\{"(ct|meta)":\{"key":"([^"]*)"\}\}/g, '$1 $2')
}

function entries(value: Json | undefined): readonly (readonly [string, Json])[] {
  return Object.entries(fields(value ?? null))
}

function fields(value: Json): { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as { readonly [name: string]: Json })
    : {}
}

function isEmpty(value: Json): boolean {
  return Array.isArray(value) && value.length === 0
}

function plain(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
