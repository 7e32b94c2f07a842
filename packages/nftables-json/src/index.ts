/**
 * Types, builder, printers and parser of nft's JSON: all that is pure. What starts processes is `nftables-json/run`.
 * Each file says what it is for.
 */
export { canonical, sameTable } from './canonical.ts'
export { tableLines } from './canonical-lines.ts'
export { canonicalElement } from './canonical-values.ts'
export * from './errors.ts'
export type * from './expression-types.ts'
export * from './expressions.ts'
export { parseListing } from './listing.ts'
export type * from './listing-types.ts'
export { LONGEST_NAME, nameProblem } from './names.ts'
export { LONGEST_COMMENT, LONGEST_LOG_PREFIX } from './quotable.ts'
export { type Reference, referencesOf } from './references.ts'
export { SYMBOLS } from './symbols.ts'
export { TableHandle, type TablePart, tablePart } from './table-handle.ts'
export { toText } from './text.ts'
export { Transaction } from './transaction.ts'
export type * from './types.ts'
export { interfaceNameProblem, LONGEST_INTERFACE_NAME, wildcardStart } from './values.ts'
