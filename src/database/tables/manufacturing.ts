/** Where devices are made, to which orders, and what the line is told of them. */

/** A place on a factory floor from where devices are made: who speaks DI there is known by it. */
export interface StationTable {
  id: string
  party: string
  /** What people call it; once in a party. */
  name: string
  /** Addresses and ranges, separated by spaces; empty for any. */
  allow: string
  /** PEM: the CAs one of which must have issued the caller's certificate; empty for none needed. */
  client_cas: string
  /** SHA-256 of the enrolment secret, hex; null where none is asked for. */
  secret_hash: string | null
  /** By which of our listeners its devices come in; empty for either. */
  listener: '' | 'http' | 'https'
  created_at: string
}

/** So many devices, and what they leave the factory with. Nothing of it but its state changes. */
export interface ProductionOrderTable {
  id: string
  party: string
  /** What people call it; once in a party. */
  name: string
  /** The device info it is for; null for any. */
  model: string | null
  quantity: number
  /** Devices made, here or at a line: with `reserved` never more than `quantity`. */
  made: number
  /** Those that lines may still make, or have made and not yet handed over. */
  reserved: number
  /** The share it is, of an order of another service; null for one placed here. */
  share: string | null
  /** A JSON document, see Source in manufacturing/lines/imports/service.ts: where it came from. */
  source: string | null
  /** A JSON document, as in the setting of that name. */
  rendezvous_info: string
  /** A JSON document: see manufacturing/orders/first-owner-rules.ts. */
  first_owner: string
  /** The ids of the stations where it is made, separated by spaces; empty for all of the party. */
  stations: string
  /** 1: no serial number twice. */
  unique_serials: number
  /** The text of a device's label, with placeholders. */
  label: string
  /** PEM: the CAs whose devices keep the certificate they come with. */
  device_cas: string
  /** A `closed` one is never opened again. */
  state: 'draft' | 'open' | 'closed'
  /** A JSON document: how the rendezvous info was tried. */
  trial: string | null
  created_at: string
  expires_at: string
  opened_at: string | null
  closed_at: string | null
}

/** A device made to an order. It counts once, however often it is made. */
export interface OrderDeviceTable {
  order_id: string
  device_id: string
  /** From 1, in the order they were first made. */
  number: number
  guid: string
  serial: string
  model: string
  made_at: string
  /** The name of the station, here or at the line; null for those made before it was kept. */
  station: string | null
  /** As the line printed it; null where the order's own words make it. */
  label: string | null
  /** Of which it was made at a line; null for those made here. */
  share: string | null
}

/** A part of an order that a line with a service of its own makes, and hands over later. */
export interface OrderShareTable {
  id: string
  party: string
  order_id: string
  /** SHA-256 of the SubjectPublicKeyInfo of a manufacturer key of the line, hex. */
  line: string
  quantity: number
  /** Handed over, and counted. */
  made: number
  /** What may still come. */
  reserved: number
  /** `closed`: the line makes no more, and has said how many it made. */
  state: 'open' | 'closed'
  /** A JSON document: the order's rules, with the keys they came to. */
  first_owner: string
  /** What the line was given, PEM. */
  document: string
  created_at: string
  expires_at: string
  closed_at: string | null
}

/** A key that signs orders for this line: somebody here has said so. */
export interface OrderIssuerTable {
  party: string
  /** SHA-256 of its SubjectPublicKeyInfo, hex. */
  fingerprint: string
  /** What its party called itself in the first order taken in. */
  name: string
  created_at: string
}

/** A certificate that a device came with, told of before the device is made. */
export interface OrderCertificateTable {
  order_id: string
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  spki_hash: string
  /** PEM, the device's first. */
  chain: string
  created_at: string
}
