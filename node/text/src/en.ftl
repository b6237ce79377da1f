# Every sentence that certmesh has a code for, in English (Fluent, https://projectfluent.org).
#
# An id is the family, a hyphen and the code; what is shown of a message are the arguments that its code has. Tests hold each
# family's texts against its codes. A message without a family is a part of others.

## What frames the sentences

# One fault, at a field.
frame-at-field = { $field }: { $detail }
# The same at a column of a table.
frame-at-column = `{ $column }` { $detail }
# What is wrong with a file.
frame-at-path = { $path } { $detail }
# More faults than are listed.
frame-more = and { $count } more
# The choices there are.
frame-or = { $first } or { $last }
# Several that are all meant.
frame-and = { $first } and { $last }
# The first of many.
frame-few = { $first } and { $count } more

near =
    { $near ->
        [none] {""}
       *[other] ; did you mean `{ $near }`?
    }

## Faults of a request's field or of a table's row. Each follows the name of what is at fault.

fault-required = is required
fault-empty = is empty
fault-too-long = is { $found } bytes long, at most { $limit } are allowed
fault-control-character = holds a control character
fault-out-of-range = must be { $least } to { $most }
fault-too-many = holds { $found }, at most { $limit } are allowed
fault-none-named = must name at least one
fault-appears-twice = appears twice: { $what }
fault-unknown-word = must be { $expected }
fault-no-such-field = there is no such field{ near }
fault-not-a-string = must be a string
fault-not-a-boolean = must be true or false
fault-not-an-item = must be an item of governance in hexadecimal, as `certmesh govern` makes it
fault-not-a-count = must be a whole number from { $least } to { $most }
fault-not-an-object = must be an object
fault-not-an-array = must be an array
fault-not-utf-8 = isn't UTF-8 once decoded

# Identifiers, days, and what has a form of its own

part =
    { $part ->
        [department-code] department code
        [division-code] division code
        [issuer-code] issuer code
        [type-code] type code
        [type-authority] type code: authority
        [certificate] certificate identifier
        [certificate-root] certificate identifier: root
        [certificate-type] certificate identifier: type
        [certificate-type-authority] certificate identifier: type: authority
        [certificate-issuer] certificate identifier: issuer
        [certificate-serial] certificate identifier: serial
        [certificate-version] certificate identifier: version
        [certificate-check] certificate identifier: check
       *[other] { $part }
    }
# The text at fault, where it may be shown.
quoted =
    { $text ->
        [none] {""}
       *[other] {" "}`{ $text }`
    }
lengths =
    { $least ->
        [1] { $most ->
            [1] 1
           *[other] 1 to { $most }
        }
        [6] { $most ->
            [18] 18 (department code) or 6 (division code)
           *[other] { $most }
        }
       *[other] { $most }
    }
characters =
    { $expected ->
        [digit] a digit
        [credit-code] one of 0-9 A-H J-N P-R T U W X Y
       *[alphanumeric] one of 0-9 A-Z
    }
holder-code =
    { $kind ->
        [1] a unified social credit code
        [99] a code of another organisation
        [111] a resident identity card number
        [411] a diplomatic passport number
        [412] a service passport number
        [413] a number of a passport for public affairs
        [414] an ordinary passport number
        [511] a number of a mainland travel permit for Taiwan residents
        [516] a number of a mainland travel permit for Hong Kong and Macau residents
       *[other] a code of this kind
    }

fault-id-too-long = { part }: { $found } bytes long, at most { $limit } are read
fault-id-parts = certificate identifier: needs 10 parts between dots, has { $found }
fault-id-root = certificate identifier: root{ quoted } is not `{ $expected }`
fault-id-length = { part }{ quoted }: { $found } characters long, expected { lengths }
fault-id-character = { part }{ quoted }: character { $position } is `{ $found }`, expected { characters }
fault-id-check = { part }{ quoted }: check character is `{ $found }`, expected `{ $expected }`
fault-id-number = { part }: number is { $found }, expected at most 999
fault-date-form = must be a day of the form YYYY-MM-DD
fault-date-year = has the year { $year }, expected 1900 to 2999
fault-date-month = has the month { $month }, expected 01 to 12
fault-date-day = { $month } has no day { $day }
fault-holder-kind = must be one of { $expected } (three digits)
fault-holder-empty = is an empty code
fault-holder-too-long = is longer than { $limit } characters
fault-holder-length = is not { holder-code }: { $found } characters long, expected 18
fault-holder-old-card = is a 15-digit number of a first-generation identity card, which isn't accepted; give the 18-character one
fault-holder-character = is not { holder-code }: character { $position } isn't allowed there
fault-holder-birthday = is not a resident identity card number: its digits 7 to 14 are no day of birth
fault-holder-placeholder = is not { holder-code } but a placeholder
fault-holder-permit = is not { holder-code }: { $kind ->
        [516] that is H or M and 8 digits, with the 2 digits of its reissue or without
       *[other] that is 8 digits, with the 2 digits of its reissue or without
    }
fault-holder-check = has a wrong check character for { holder-code }: it should be `{ $expected }`
fault-hash = must be 64 hexadecimal digits
fault-matter-code = must be 1 to { $limit } letters, digits, `-`, `_` or `.`
fault-matter = must be [department/]matter[/sub-matter], such as SL-001/01
fault-matter-ref = must be <department>/<matter>/<sub-matter>, such as 11430000006122244L/SL-001/01
fault-attachment-name = an attachment's name has 1 to 64 letters (also Chinese), digits, hyphens, underscores and full stops, and does not begin with a full stop
fault-role = must be `issue`, or `define:` and the code of an authority that is not a member
fault-role-without-authority = role `define` names the authority whose types it is for, as in `define:11100000000013338W`; give it once for each
fault-status-reason = must be 01 holder's request, 02 issued in error, 03 deception, 04 conditions broken, 05 holder died or dissolved, 06 lost or damaged, 07 decision of a court or superior, or 99 other

caution-surrounding-space = white space around the identifier was dropped
caution-full-width = full-width characters were read as their half-width counterparts
caution-lower-case = lower-case letters were read as capitals
caution-old-root = root `{ $found }` was read as `{ $expected }`
caution-check-counts-root = check character `{ $found }` includes the root; the standard's is `{ $expected }`
caution-receiver-not-a-member = { $to } is not a member of this network; nobody in it can take the certificate over

genesis-code = { $at }: code: { $fault }
genesis-role = { $at }: roles: `{ $role }`: { $fault }

address-form = `{ $address }` is not an address that a node can use; expected /ip4/10.1.2.3/tcp/7481, or /ip6/…, /dns4/HOST/… and …/udp/7481/quic-v1
address-unspecified = `{ $address }` stands for all addresses of a machine: a node can listen on it, but nobody can dial it; give the address or host name at which other departments reach the node
address-no-port = `{ $address }` has port 0, which nobody can dial; give the port on which the node listens
address-loopback = `{ $address }` is reached from its own machine only, but `{ $beside }` is an address of another machine; give the address or host name at which other departments reach the node
address-shared = `{ $address }` is also an address of { $other }; each node needs an address or a port of its own

# A certificate to issue, change or erase

fault-part-of-id = is part of id already; give either id, or type and serial
fault-id-or-parts = is required, or type and serial in its place
fault-holds-holder-code = holds the holder's code, which no log may hold; number the certificate otherwise
fault-serial-needed = is required: the predecessor's version is 999, so its successor needs another number
fault-dates-out-of-order = is { $until }, before valid_from ({ $from }); swap or correct them
fault-no-receiver = is required: a transfer names the department that may take the certificate over
fault-receiver = only a transfer-out names a department that may take the certificate over
fault-field-name = its name must be 1 to { $limit } bytes without spaces around it
fault-field-name-control = its name holds a control character
fault-attachment-as-field = names that begin with @ are those of attachments; give these under `attachments`
fault-fields-and-attachments = fields and attachments are { $found } together, at most { $limit } are allowed
fault-not-an-upload = is not an upload of this department's node; upload the file and give the `upload` of the answer
fault-upload-twice = is the upload of another attachment already; upload the file once for each
fault-upload-expired = is an upload of more than 24 hours ago; upload the file again
fault-upload-used = is an upload that another certificate used; upload the file again
fault-entry-too-large = the record takes { $found } bytes, more than the { $limit } allowed; leave fields out or shorten them

# What a certificate replaces

fault-one-of-predecessors = is one of predecessors; give either
fault-predecessor-required = is required: what is replaced
fault-merge-of-one = a merge puts one certificate in the place of two or more; only one is named
fault-one-predecessor = a { $kind } replaces exactly one certificate; { $found } are named
fault-predecessor-twice = { $id } is named twice
fault-replaces-itself = is the certificate itself; it can't replace itself
fault-other-type = a { $kind } keeps the type; { $predecessor } is of another one
fault-not-next-version =
    version { $found } does not follow { $predecessor }; { $next ->
        [none] 999 is the last, so it needs another serial number
       *[other] with the same serial number it must be { $next }
    }
fault-predecessor-unknown = predecessor { $id } is in no log held here; its issuer's latest records may not have arrived yet
fault-predecessor-elsewhere = predecessor { $id } is in the log of department { $department }; only that department replaces it, or records it as transferred-out for this one to issue a `transfer`
fault-predecessor-inherited = predecessor { $id } is in the log of department { $department }, which was removed: issue a certificate without predecessor, and revoke that one
fault-predecessor-status = predecessor { $id } is { $status }; only a valid certificate can be replaced
fault-predecessor-own = predecessor { $id } is in this department's own log; a transfer is from another department
fault-predecessor-outside = predecessor { $id } was issued by no member of this network, so its transfer can't be checked; issue without predecessor
fault-predecessor-not-transferred = predecessor { $id } is { $status } as far as is known here; department { $department } has to record it as transferred-out first
fault-predecessor-other-receiver = predecessor { $id } was transferred out to department { $to }; only that department can take it over
fault-predecessor-claimed = predecessor { $id } is in the logs of several departments; only they can determine which of them issued it
fault-predecessor-disputed = predecessor { $id } is in dispute: the log of department { $department } has stopped, and what it says about it is uncertain
fault-predecessor-taken-over = predecessor { $id } was taken over before, as { $by }

# A type's standard, and a certificate held against it

fault-issuer = the type's standard does not allow this department to issue it
fault-other-holder-kind = must be { $expected }: holders of this type have no other kind of code
fault-no-end = certificates of this type have no end of validity; leave valid_until out
fault-ends-too-late =
    { $last ->
        [none] ends later than the type's standard allows
       *[other] certificates of this type end on { $last } at the latest
    }
fault-missing = is required ({ $name })
fault-unknown-field = is not a field of this type's standard; extension fields begin with KZ_{ near }
fault-length = is { $found } characters long, at most { $most } are allowed
fault-pattern = does not match { $pattern }
fault-not-an-integer = is not a whole number
fault-not-a-decimal = is not a number, such as 12 or 12.5
fault-not-a-date = is not a day written YYYY-MM-DD
fault-not-in-code-list = is not one of { $codes }
fault-bad-pattern = is not a usable regular expression: { $why }
fault-no-codes = lists no codes
fault-zero = must be more than zero
fault-definition-unusable = the type's definition in the catalogue can't be used; its department has to define it again

# Definitions and grants

fault-single-attachment = no code names a single attachment; `@` stands for all of a certificate
fault-validity = must be any, long-term, or the most as a number of days, months or years, such as 10 years
fault-attachment-mark = begins with @, as attachments do; no standard lists these
fault-for-other-data = is for fields of type { $data }
fault-no-sub-matters = must hold at least one; a matter without parts is its own
fault-earlier-sub-matter = appears at an earlier sub-matter already
fault-department-or-role = give either a department or a role
fault-others-type = department { $authority } is a member of this network: only it can define its types
fault-not-listed = the definition of type { $type_code } does not allow this department to issue it
fault-versions-used-up = the type has { $most } versions, which is the most that count; define it under another code
room = take up { $used } of { $most } bytes in the memory of every peer, and this one needs { $more }
fault-no-room-for-type = the types that this log defines { room }; list fewer departments, or the same as the version before
fault-no-room-for-matter = the matters that this log defines { room }; define it as the next version of a matter that is no longer needed
fault-no-room-for-grant = the grants in force in this log { room }; withdraw those that are no longer needed
fault-not-in-force = no such grant is in force
fault-own-receiver = the receiver of a transfer is another department than this one
fault-not-a-member = { $department } is not a member of this network
fault-unknown-grant = no grant { $grant } is in force in this department's log; `certmesh grant list` shows those that are
fault-no-role = department { $department } has no role `{ $role }` in this network

# Questions

fault-cursor = is not one that this node gave
fault-from-after-to = is { $from }, after { $to }, where the time ends
fault-too-many-days = is more than { $most } days before the end
fault-month = must be YYYY-MM, such as 2026-11
fault-one-question = give exactly one of holder, type and issuer
fault-purpose-required = is required in a search by holder: say what it is for
fault-purpose-unwanted = is only for a search by holder
fault-several-sub-matters = has several sub-matters; name one of { $parts }
fault-others-matter = is another department's; a department accepts cases of its own matters for good
fault-claimed = several departments of its division claim this certificate; they have to settle which one issued it
fault-status-unsaid = the certificate's status can't be said, since too many records say something of it; only what ends it can be recorded
fault-idempotency-key = must appear once and be 1 to { $most } visible ASCII characters
fault-parameter = the parameters are: { $known }
fault-given-twice = appears twice
fault-number-from-one = must be a number from 1
fault-grant-number = must be the number of a grant
fault-other-content = does not begin as a file of type { $media_type } does
fault-unknown-content = does not begin as a PDF, OFD, PNG, JPEG or TIFF file does

# A row of a table. None shows what is in it.

fault-row-too-long = is longer than { $limit } MiB and was not read
fault-quotation-mark = a quotation mark begins a cell and none ends it; double it if it is part of the text
fault-cell-count = has { $found } cells, the header { $expected }; is a cell with a delimiter or quotation mark not quoted?
fault-no-object = is not a JSON object
fault-rounded-number = is a number of more than 15 digits, which spreadsheets round; the column has to be text
fault-duration = is a duration, or a time without a day
fault-spreadsheet-error = holds a spreadsheet's error
fault-neither-text-nor-number = is neither text nor a whole number
fault-encoding = holds bytes that are not valid in the file's encoding
fault-not-in-codes = has a value that `codes` of the map does not list
fault-not-a-day = is not a valid day in any of the map's spellings
fault-serial = is not a serial number of 1 to 40 of 0-9 A-Z; see the rules of `clean`
fault-predecessor = is not a certificate identifier
fault-predecessor-type = is of another type; a renewal or an amendment keeps it
fault-predecessor-version = is not the one after the predecessor's, and the serial number is the same
fault-merge-in-table = is only one; a merge replaces two or more, which a table can't name
fault-ends-before = is before `{ $from }`
fault-duplicate = another row has the same `{ $columns }`
fault-duplicate-differs = an earlier row has the same `{ $columns }` and something else besides; correct one of them, or say `duplicates = "first"` or `"last"` in the map
fault-duplicate-cleaned = cleaning makes `{ $columns }` the same as in another row, where it is written otherwise; see the rules of `clean`
fault-formula = holds a formula and not its value; save the file with values only
fault-formula-without-value = holds a formula without a stored value; open the file in a spreadsheet, save it, and import it once more
fault-hash-marks = holds only `#`, which a spreadsheet shows for what does not fit; make the column wider and save the file again
fault-scientific = is a number in scientific notation, as Excel and other spreadsheets write long digits; fill it in again as text
fault-digits-lost = ends in zeros after 15 digits, as numbers do that a spreadsheet has rounded; fill it in again as text, or say `exact = true` in the map if it is right
fault-decimal-number = is a number with decimals, as programs write that read every number so; fill it in again as text
fault-day-in-number = is a day, as a spreadsheet makes of some numbers; fill it in again as text
fault-merged-across = is covered by a cell merged across columns; unmerge it and fill in each cell
fault-not-chinese = holds characters that no Chinese table has, as text does that was read or saved in the wrong encoding; see `encoding` of the map
fault-past-last-year = is a day after the year 2999; list it in `empty` of the map if it stands for no end
fault-counted-day = is a number as spreadsheets count days; format the column as a date, or list "serial-1900" in `date` of the map
fault-not-split = does not have exactly one of { $separators } between two parts
fault-cut-off = is the last line, has { $found } cells of { $expected } and no line ending; is the whole file there?
fault-born-later = names a day of birth that has not come yet
fault-several-days = is one day in one of the map's spellings and another day in another; leave the right one in `date` of the map
fault-private-use = holds a character of private use, which only some fonts show, often in place of a rare one of a name; type it again
fault-character-reference = holds a character as markup, as web forms write rare ones (such as &#29579;); put the character itself there

## What a peer refuses. Each says what to do.

refusal-body-too-large = longer than { $limit_bytes } bytes; send less at a time
refusal-invalid-field = { $faults } fields are wrong; faults lists up to 100 of them
refusal-not-found = there is no such { $what ->
        [sub-matter] matter or sub-matter
        [fields] certificate with its fields
        [copy] retrieval, or its copy was destroyed,
       *[other] { $what }
    } here
refusal-unknown-certificate = no log held here has a record of this certificate; its issuer's latest records may not have arrived yet
refusal-unknown-type = type { $type_code } is not defined in any log held here; define it first
refusal-not-this-department = { $named } is not this department; this peer appends for { $own } only
refusal-dates-out-of-order = valid_until ({ $until }) is before valid_from ({ $from }); swap or correct them
refusal-duplicate-certificate = a certificate with this identifier was issued before; a new version needs a new identifier
refusal-other-department = the certificate was issued by { $issuer }; { $removed ->
        [true] that department was removed{ $own ->
            [true] , and this one changes the statuses of its certificates, and nothing else: it has none of the fields, and issues a certificate of its own instead of renewing one
           *[false] { $successor ->
                [none] {" "}without a successor, so nobody changes its certificates any more
               *[other] , and its successor { $successor } alone changes its certificates' statuses
            }, and nobody else has the fields
        }
       *[false] only that department can change it, and only it keeps the fields
    }
refusal-erased = the certificate's fields were erased, and its attachments with them: nobody can read them again
refusal-lost = { $what ->
        [fields] the certificate's fields are
        [attachment] the attachment is
       *[copy] the copy of what was retrieved is
    } lost on this node's disk and not erased; nobody else has a copy: an operator may have a backup of data/bodies/
done = { $action ->
        [suspend] suspended
        [reinstate] reinstated
        [revoke] revoked
        [cancel] cancelled
        [withdraw] withdrawn
        [lapse] lapsed
       *[transfer-out] transferred out
    }
refusal-impossible-transition = { $already ->
        [true] the certificate is { $status } already
       *[false] the certificate is { $status }, so it can't be { done }
    }
refusal-idempotency-mismatch = this Idempotency-Key was used before with other content; use a new key for a new request
refusal-own-log-unconfirmed = { $why }
refusal-not-decidable = not taken up: { $why }
refusal-not-salvageable = nothing was taken back: { $why }
refusal-log-read-only = { $why }
refusal-clock-off = nothing is recorded while the clock may be wrong: { $why }
refusal-lookup-not-recorded = what a person holds is not shown while the look-up journal can't be written: { $why }
refusal-catalogue-key-missing = a catalogue key is missing on this node ({ $key }…, { $since ->
        [0] that of the genesis
       *[other] in force since block { $since } of governance
    }): nobody can be looked up for certain here until it has the key, for which it asks the other members; without the key in force nothing is issued either
refusal-decisions-missing = decisions of the members are missing on this node: it knows them up to block { $known } of governance, and a log that it holds names block { $named }. One of them may have brought another catalogue key: nobody can be looked up for certain and nothing issued here until they are back, which the node gets from the other members
refusal-log-frozen = { $why }; the log is frozen, and the members have to decide how it begins again
refusal-not-settled = { $why }
unsettled-not-whole = not all that was kept of the log of { $log } is held here yet, so what it says of the certificate is not known; try again in a moment
unsettled-changed = the certificate was changed meanwhile; try again
refusal-overloaded = the node is at its limit of simultaneous work; try again in { $retry_after_s } s
refusal-storage-full = the disk has { $free } MiB free, { $needed } MiB are needed so that the log keeps its reserve; make room, or send less
refusal-uploads-waiting = { $waiting } MiB of this client's uploads wait for certificates, and { $needed } MiB more would exceed its limit of { $limit } MiB; issue the certificates they belong to, or wait until they are removed after 24 hours
refusal-proof-not-available = { $why }
rule = { $rule ->
        [stale] the request's time and the issuer's clock are too far apart; compare both clocks and ask again
        [unknown-certificate] the issuer has no such certificate
        [unknown-matter] the issuer knows no such matter; define it, or wait for its definition to arrive there
        [others-matter] the matter is another department's; a department asks for its own matters only
        [not-required] the matter requires no certificate of this type
        [not-shared] the certificate is not shared (不予共享)
        [no-grant] the certificate is shared on conditions (有条件共享) and no grant in force covers this department and matter
        [no-field] none of the fields asked for is one that the matter needs and that may be seen
        [erased] the certificate's fields are no longer kept
       *[not-authorised] the issuer may not issue certificates of this type
    }
clocks = { $own_clock ->
        [none] {""}
       *[other] {" "}(this machine's clock shows { $own_clock }, the issuer's { $their_clock })
    }
refusal-retrieval-refused = { $issuer } refused ({ $rule }): { rule }{ clocks }; its receipt is record { $receipt } of its log
refusal-issuer-unreachable = the peer of { $issuer } did not answer: { $why }; the certificate's status can still be verified here
refusal-wrong-answer = what { $issuer } sent is not what the certificate's signed record commits to; nothing of it was kept, and this department's log records that
refusal-issuer-not-authorised = nothing was asked for: the department whose log holds the certificate may not issue it: { $why }
refusal-not-verifiable = nothing was asked for, since the answer could not be checked here yet; what is missing: { $missing ->
        [none] the definition of its type
       *[other] { $missing }
    }
refusal-internal = the node failed to answer; its log has the cause

unreachable-not-connected = it is not connected
unreachable-timeout = it did not answer in time
unreachable-failed = the connection failed, or it is too busy
unreachable-no-more = it sends no more of the attachment; retrieve the certificate's fields again
unreachable-improper = the issuer considers this request forged or relayed; if the catalogue key was replaced just now, the issuer may not know yet: try again in some seconds
unreachable-replayed = the issuer has already answered this request
unreachable-unavailable = the issuer can't record receipts at present, or a catalogue key is missing there, so it answers nothing
unreachable-not-required = the issuer does not know that the matter requires the fields asked for; its copy of the matter may be older
unreachable-lost = the issuer's disk has lost the certificate's fields; they were not erased, and its operators may have a backup

## Why the own log takes no appends, and what else stands in the way

unconfirmed-confirming = waiting until other members confirm that the log on disk is whole: { $awaited }; `certmesh resume` skips this, but never run it after restoring data/ from a backup: records signed since would be lost
unconfirmed-lost = { $loss }: records signed since may be with any of the other members, so all of them are asked ({ $awaited }); `certmesh resume --after-loss` continues without those: what only they hold, or nobody, is lost then, and forks the log if it turns up later
unconfirmed-elsewhere = another run of this department's peer, with the same keys, is connected to { $reported_by } members and connected first: two that append would fork the log. Stop one of the two; this one resumes by itself once the other has stopped, and `certmesh resume` changes nothing. After a power cut it may be this peer's own last run: members notice within two minutes that it is gone
unconfirmed-restoring = { $held } of { $known } records of this department's log are on disk; the rest is being fetched back from other members{ $set_aside ->
        [true] ; `certmesh salvage` takes back what none of them holds from the copy set aside here
       *[false] {""}
    }
unconfirmed-would-fork = more of this log was signed than is on disk: appending would fork it; the rest has to come back from other members
unconfirmed-no-loss = nothing was lost: run `certmesh resume` without --after-loss
unconfirmed-unheard = records are taken back once other members have reported how much of this log they hold: { $awaited }
unconfirmed-others-hold-more = { $held } of the { $shown } records that other members hold are on disk; the rest comes from them first
unconfirmed-missing = { $missing } records of this log are still to come back from other members; wait for them

awaited-members = { $confirmed } of { $needed } needed confirmations{ $absent ->
        [none] {""}
       *[other] ; not connected: { $absent }
    }{ $silent ->
        [none] {""}
       *[other] ; not answered yet: { $silent }
    }

loss-damaged = the log on disk was damaged ({ $damage }) and set aside at { $path }
loss-head-missing = the head file of the log is missing
loss-begun = the log is empty, and its first record was begun
loss-earlier = a loss found earlier has not been made good
loss-other-directory = the data directory is not known to be the one that the node ran with last ({ $mark })
loss-held-by-others = other members hold records of a log that this node considers new

stopped-forked = its department signed two histories from record { $at } on; both are kept under evidence/
stopped-broken = its department broke a rule: { $rule }

broken-encoding = record { $seq } is not in the encoding of records ({ $error })
broken-algorithm = record { $seq } is signed with an algorithm that this version doesn't know; it knows ed25519
broken-signature = the signature of record { $seq } does not verify
broken-position = record { $seq } says it is record { $says }
broken-link = record { $seq } does not link to the record before it
broken-time = record { $seq } is older than the record before it
broken-height = record { $seq } names an earlier governance height than the record before it
broken-claim = record { $seq } names a key and a governance height that don't go together: { $why }
broken-epoch = record { $seq } is signed with a key of an earlier epoch than the record before it
broken-head = the checkpoint of size { $size } names another last record
broken-checkpoint-time = the checkpoint of size { $size } is not of the time of its last record
broken-checkpoint-claim = the checkpoint of size { $size } names an earlier governance height or key epoch than its last record
broken-rewritten = the log no longer begins with the { $size } records of a checkpoint accepted before
broken-statuses = the checkpoint of size { $size } commits to other statuses than its records give

damage-short = the head file vouches for { $expected } records, { $found } are readable
damage-head-lost = the head file is missing or unreadable
damage-rule = { $rule }
damage-unreadable = it can't be opened: { $error }
damage-root = the first { $size } records are not those of the checkpoint
damage-header = segment { $first }: { $file }

file-damaged = the header is damaged, or this is not a certmesh file
file-later-version = written by a later version of certmesh (file format { $format }): upgrade certmesh
file-other = the file belongs to another log, network or position

copy-end-reached = everything asked for was read
copy-end-absent = no copy has a whole record that continues the log there
copy-end-cut-off = the copy ends there, or the record is cut off or its length damaged
copy-end-rule = { $rule }
copy-end-unreadable = { $error }

read-only-refused = a disk write was refused ({ $reason }); nothing acknowledged is lost; free or repair the disk, then restart the peer; what was refused with this may be in the log after that, so ask again rather than write it otherwise
read-only-later-version = record { $seq } of this department's log is of a later version of certmesh: run that version again, since this one doesn't know what the record changed
read-only-key-ended = this department's operating key has ended with a part of its log: change it (`certmesh govern rotate`), and the log goes on
read-only-key-not-held = the operating key in force, that of epoch { $epoch }, is not held by this node: name its file in `keys.signing`, then restart the node
read-only-behind = this department's log was written by the members' decisions up to { $named }, and those known here end at { $known }: the rest has to come from other members first
read-only-suspended = the members suspended this department in block { $height }: its node keeps up with the others, and records nothing until they resume it (`certmesh govern log`)
read-only-removed = this department is no longer a member of the network: the others take nothing from it, and what it holds stays readable here
read-only-mark = the mark of the last run, beside the keys, can't be written ({ $reason }); free or repair the disk that has the keys

clock-off-members = this machine's clock says { $own }, the clocks of { $members } connected members say { $theirs }; correct this machine's clock (NTP), or find out whose is wrong: `certmesh peers` shows each
clock-before-last = this machine's clock says { $own }, the last record of this department's log is dated { $last }; set this machine's clock right (NTP); if it is, that record was dated by a wrong one, and `certmesh resume --clock-is-right` dates what follows like it
clock-far-ahead = this machine's clock says { $own }, the newest record of any department that can be relied on is dated { $last }; correct this machine's clock (NTP); if it is right, run `certmesh resume --clock-is-right`

unrecorded-disk = { $error }; free or repair the disk
unrecorded-file = lookups/{ $name }: { $file }; move that file elsewhere
unrecorded-random = the system provides no random bytes: { $error }

salvage-not-whole = { $whole } of the { $missing } records that are missing are whole in what was set aside; the first that is not is record { $at }: { $end }
salvage-differs = the records set aside are whole and continue the log, but they are not those under the checkpoint of size { $size } that this department signed last

unprovable-disputed = the log that holds it is in dispute from record { $at } on; a proof would rest on one side's word
unprovable-not-newest = a proof could lack a revocation; what is missing: { $missing }
unprovable-unconfirmed = this department's own log is not confirmed by other members, so a proof could lack a revocation{ $why ->
        [none] {""}
       *[other] ; { $why }
    }
unprovable-not-made = { $why }

## The state of a log, and what an operator should know of

log-stopped = { $why }
log-own = { $why }
log-refused = the disk does not let its copy continue ({ $reason }); it is reopened automatically{ $missing ->
        [none] {""}
       *[other] ; nothing is valid by it at present; what is missing: { $missing }
    }
log-set-aside = damaged on disk, kept in { $path }; being fetched again
log-later-version = record { $seq } is of a later version of certmesh: upgrade this peer, which can't determine what is valid in this log
log-not-newest = nothing is valid by it at present; what is missing: { $missing }
log-dated-ahead = its newest record is dated { $newest }, ahead of this peer's clock ({ $own })

warning-own-log = { $why }
warning-clock = this machine's clock is { $off_s } s { $ahead ->
        [true] ahead of
       *[false] behind
    } those of { $members } connected members ({ $own } here, { $theirs } there): correct it (NTP)
warning-other-instance = another run of this department's peer, with the same keys, is connected to { $connected_to }: stop one of the two. After a power cut it is this peer's own last run, for two minutes at most; if it is neither, the keys are in other hands
warning-catalogue-key = { $why }
warning-not-recorded = { refusal-lookup-not-recorded }
warning-journal-damaged = part of the look-up journal can't be read (lookups/{ $file }, bytes { $from } to { $to }: { $other_key ->
        [true] written under another field key
       *[false] damaged
    }): look-ups may be missing there; check the disk, and the field key if it was replaced
warning-governance = what members decide could not be kept on disk ({ $error }), so this run takes no part in it any more: make room on the disk or repair it, and restart the peer
warning-undecidable = nothing can be decided: { $needed } of { $governors } governors' nodes have to vote, and { $reached } can be reached; missing: { $missing }; have these nodes started, or the links to them repaired (`certmesh peers`)
warning-no-spare-governor = once one more governor's node can't be reached, nothing can be decided: { $needed } of { $governors } have to vote; missing already: { $missing }; have these nodes started, or the links to them repaired (`certmesh peers`)
warning-withholds = this node does not vote for the recovery that waits: it gave block { $block } its vote, which a governor's node that can't be reached may have made final; have one of these nodes started again, so that that block is decided first
warning-no-vote = this node neither votes on decisions nor cosigns: it lost its disk, and could contradict what it signed before; replace its operating key (`certmesh govern rotate`), and it does both with the next one
warning-outdated = the members raised the format to version { $version } in block { $height }, and this node knows versions up to { $known }: it takes no part in decisions, and nothing that is made by the later version; what it can't judge reads as unknown; upgrade it
warning-unapproved = { $count ->
        [one] a proposal waits
       *[other] { $count } proposals wait
    } for this department's approval: { $proposals }; look at what would change (`certmesh govern show`), then approve (`certmesh govern approve`), or let it lapse
warning-old-key = this department has signed with the same operating key, that of epoch { $epoch }, for { $days } days; after { $limit } a key is to be replaced (`certmesh govern rotate`): nobody knows who has come by it meanwhile
warning-own-damaged = what is on disk of the own log is no longer what was written: restart the peer, which then reads all of it, makes again what can be derived, and fetches damaged records from other members
warning-lost = lost on this disk and not erased: { $parts }; nobody else has them: put data/bodies/ back from a backup, or record with `certmesh erase` that the fields are gone; `certmesh fsck` names each
warning-log = the log of { $name }: { $detail }
warning-decisions-unknown = too few governing members have shown { $minutes ->
        [none] since this peer started
       *[other] for { $minutes } minutes
    } that they know of no later decision than this peer: until they do, nothing is valid here; look at its connections
warning-silent = no member has recently confirmed that what is held is the newest of the logs of { $logs }: until one does, nothing is valid by them here

positions = { $count ->
        [one] record { $records }
       *[other] records { $records }
    }
lost-fields = the fields of { $count ->
        [one] 1 certificate
       *[other] { $count } certificates
    } ({ positions })
lost-attachments = attachments of { $count ->
        [one] 1 certificate
       *[other] { $count } certificates
    } ({ positions })
lost-copies = the copies of { $count ->
        [one] 1 retrieval
       *[other] { $count } retrievals
    } ({ positions })
lost-cases = what was collected for { $count ->
        [one] 1 case
       *[other] { $count } cases
    } ({ positions })

## Requests that are rejected before the peer sees them

rejection-malformed-body = { $why }
rejection-unsupported-media-type = the body's Content-Type must be { $expected }
rejection-body-too-large = longer than { $limit_bytes } bytes; send less at a time
rejection-unauthorised = { $token_given ->
        [true] no client has this token; check that the token file belongs to this node
       *[false] the request came without a token; send the header Authorization: Bearer TOKEN
    }
rejection-forbidden = this needs the role { $needed }, the token's role is { $has }
rejection-wrong-host = this API answers to localhost, to loopback addresses and to the names in api.names of its configuration; send the request to one of them
rejection-other-site = this API accepts no requests from pages of other sites; to allow a site, put its host into api.names of the node's configuration
rejection-method-not-allowed = this route doesn't take that method; see the Allow header
rejection-rate-limited = this client sends faster than its rate, or more at a time than one client may; try again in { $retry_after_s } s
rejection-timeout = { $what ->
        [body] the body stopped coming; send it again
        [file] the file stopped coming; send it again
        [row] no data arrived for too long; send this row and those after it again
       *[request] the request took too long; a change may still become durable, so send it again with its Idempotency-Key
    }
rejection-refused = { $why }

malformed-empty = empty; a JSON object is expected
malformed-not-an-object = a JSON object is expected
malformed-ends-early = ends in the middle of its JSON; it was cut off
malformed-not-utf-8 = not UTF-8 text
malformed-not-json = not JSON at line { $line }, column { $column }
malformed-name-twice = a name appears twice in one object; each may appear once
malformed-other-form = not in the form that /openapi.json describes
malformed-body-cut-off = the body was cut off; send it again
malformed-file-cut-off = the file was cut off; send it again
malformed-row-cut-off = the request was cut off here; send this row and those after it again
malformed-unreadable = the request can't be read

## Why an event of a certificate's history had no effect

ignored-issued-before = the identifier had been issued before
ignored-transfer-elsewhere = a transfer is from another department's log
ignored-not-valid = the certificate was not valid by then
ignored-impossible = the certificate was { $status } by then, so it couldn't be { done }

## Tables and maps. What is wrong with a file follows its path, what is wrong with a map its key.

table-changed = is not a file that stays unchanged: it was changed while it was read
table-pipe = is a pipe: an XLSX is read from a file
table-damaged = is a spreadsheet that is damaged or not there as a whole; copy it again, or open it and save it again
table-password = is encrypted with a password; open it in a spreadsheet and save it without one, as .xlsx or as CSV (UTF-8)
table-old-format = is a spreadsheet in the format of Excel 97 or WPS (.xls, .et); save it as .xlsx, or as CSV (UTF-8)
table-open-document = is an OpenDocument spreadsheet (.ods); save it as .xlsx, or as CSV (UTF-8)
table-binary-workbook = is a binary Excel workbook (.xlsb); save it as .xlsx, or as CSV (UTF-8)
table-markup = is a web page or other markup, whatever its name says; open it in a spreadsheet and save it as .xlsx, or as CSV (UTF-8)
table-other-file = is neither a spreadsheet nor text; a table is .xlsx, CSV or lines of JSON
table-not-a-spreadsheet = is not a spreadsheet but text; leave --format out, or say what it is
table-other-encoding = is { $found }, and the map says { $given }; correct `encoding` of the map
table-unclear-encoding = may be UTF-8 or GB18030, which read differently; say which in `encoding` of the map
table-all-hidden = has hidden sheets only; name one in `sheet` of the map: { $sheets }
table-hidden-rows = has { $count } hidden { $count ->
        [1] row ({ $rows })
       *[other] rows ({ $rows })
    } that whoever looks at it does not see; show them, or say `hidden_rows = "import"` or `"skip"` in the map
table-irregular-cell = has a cell, { $cell }, written in such a way that programs read it differently; open the file in a spreadsheet, look at the cell, save the file again, and import that
table-irregular = has more than { $limit } places of merged cells, hidden rows and formulas without a value; save it as CSV (UTF-8)
table-no-toml = is not a map: line { $line }: { $why }
table-long-map = is not a map: it is longer than 1 MiB
table-no-xlsx = is not a spreadsheet that can be read ({ $why }); open it in a spreadsheet and save it again, as .xlsx or as CSV (UTF-8)
table-long-shared-texts = is not an XLSX file that can be read: the texts its cells share are longer than { $limit } MiB; save it as CSV (UTF-8), or as several files
table-too-many-shared-texts = is not an XLSX file: it says it has { $texts } texts that cells share, in { $length } bytes
table-no-sheets = is not an XLSX file: it has no sheet
table-no-such-sheet = is not the file of the map: it has no sheet `{ $name }`; it has { $sheets }

# What is shown before anything of a table is issued.
taken-text = reading the file as { $encoding }, cells divided by { $delimiter }, the columns' names in row { $header }
taken-sheet = reading sheet `{ $name }`, the columns' names in row { $header }
taken-other-sheets = not read: sheets { $names }
taken-hidden-sheet = sheet `{ $name }` is hidden
taken-hidden-sheets = not read: hidden sheets { $names }
taken-rows-imported = imported with the others: { $count } hidden { $count ->
        [1] row
       *[other] rows
    } ({ $rows })
taken-rows-skipped = left out: { $count } hidden { $count ->
        [1] row
       *[other] rows
    } ({ $rows })
taken-full = the table ends in row { $row }, the last that { $row ->
        [65536] an .xls file
       *[other] a spreadsheet
    } can have: if it was saved from a longer one, rows are missing; compare the last row with the source's
taken-hidden-columns = hidden columns, used as the map says: { $names }

mapping-any = the map cannot be used
mapping-file = the map does not fit the file
mapping-standard = the map does not fit the type's standard

map-unknown-key = is not a key here{ near }
map-required = is required
map-not-a-text = must be a text
map-not-texts = must be a list of texts
map-unknown-word = must be { $expected }
map-delimiter = must be one ASCII character, such as ","
map-header = must be the number of the row with the columns' names, 1 to 1000, or a list of two to eight that follow each other, such as [2, 3]
map-holder = is required, as {"{"} kind = "111", column = "…" {"}"}
map-holder-kind-required = is required: a kind of holder's code such as "111", or a table, such as {"{"} column = "…", codes = {"{"} … {"}"} {"}"}
map-holder-kind = must be one of { $expected } (three digits)
map-fields = must be a table, such as [fields.ZZMC]
map-source-form = must be a column's name or a table, such as {"{"} column = "…" {"}"}
map-one-source = needs exactly one of `column`, `columns` (at least one) and `value`
map-with-constant = goes with columns, not with a constant `value`
map-without-columns = goes with `columns`
map-unknown-rule = `{ $name }` is not a rule{ near }; the rules are { $rules }
map-codes = must be a table, such as {"{"} "男" = "1" {"}"}
map-no-codes = must hold texts, at least one
map-not-a-flag = must be true or false
map-without-split = goes with `split`
map-split-part = must be 1 or 2: the part before or after what `split` names
map-rows = must be {"{"} column = "…", is = ["…"] {"}"} or {"{"} column = "…", not = ["…"] {"}"}, or a list of these
map-spelling-sign = `{ $spelling }`: of %, only %Y, %m, %d, %H, %M, %S and %% are known
map-spelling-zone = `{ $spelling }` leaves out the time of day before `Z`, which is a time of another zone: say "iso-8601" instead, for the day in China
map-spelling-part = `{ $spelling }` must hold { $sign } once
map-none-named = must name at least one part
map-unknown-part = the map has no `{ $name }`{ near }

map-no-column = the file has no column `{ $name }`{ near }
map-two-columns = the file has two columns `{ $name }`
map-no-columns = the file has no columns; `header` gives the row with their names
map-columns = the file's columns are: { $names }

map-issuer = the type's standard does not allow this department to issue it
map-missing = the type's standard requires it ({ $name })
map-unknown-field = is not a field of this type's standard; extension fields begin with KZ_{ near }

## Cases: why a requirement is not met, or what was collected for it is not all here

obstacle-not-collected = its fields were not collected: { $why }
obstacle-lacks = the certificate has no { $codes }, which the matter needs
obstacle-incomplete = its attachments are not here whole yet; asking for them gets the rest
obstacle-not-then = its fields are not among what the case keeps; retrieve them by themselves
obstacle-lost = what was collected for the case is lost on this node's disk; retrieve the fields separately
obstacle-too-many = a department issued more certificates of this type to the subject than are looked at, and none of those is valid; look the certificate up by its number
obstacle-not-covered = the grant in force does not cover { $codes }, which the matter needs; its issuer can grant it
denied-not-a-member = { $asker } is not a member of this network, or is suspended
denied-unknown-matter = matter { $matter } is not in the catalogue
denied-others-matter = matter { $matter } is another department's; a department asks for its own matters only
denied-not-required = matter { $matter } does not require certificates of type { $type_code }
denied-not-shared = the certificate is not shared (不予共享)
denied-no-grant = the certificate is shared on conditions (有条件共享) and no grant in force covers { $asker } for matter { $matter }

## Verdicts: why a certificate is not valid, what is missing to decide it, why there is no proof

reason-status = its issuer has recorded it as { $status }
reason-superseded = { $by ->
        [none] it was replaced by another certificate
       *[other] it was replaced by { $by }
    }
reason-expired = its last day was { $until }
reason-not-yet-valid = its first day is { $from }
reason-issuer-not-authorised = the department whose log holds it may not issue it: { $why }
reason-log-forked = its department signed two histories from record { $at } on, and it lies among those in dispute

unauthorised-not-named = the identifier names another issuer
unauthorised-void = what the department signed there counts for nothing: { $why }
unauthorised-other-end = the members, or the department, ended its log or key after { $size } records, and those are others than the ones held here
unauthorised-no-role = the department lacked the role to issue
unauthorised-nobody-defines = no member may define its type
unauthorised-others-definition = it rests on a definition by a department that may not define its type
unauthorised-not-a-definition = the record it rests on is not a definition of its type
unauthorised-not-listed = the definition of its type does not list the department
unauthorised-excluded = the definition of its type no longer listed the department (record { $seq })

missing-issuer = the log of { $issuer }, which is not a member of this network
missing-record = { $held ->
        [none] a record of it
       *[other] a record of it; { $held }
    }
missing-rightful-issuer = which department issued it: its identifier names a division, and { $departments } each have a record of it
missing-status-since = its status since record { $at }, from where on its department's log is in dispute
missing-later-version = its status since record { $at } of its log, which is of a later version of certmesh; upgrade this peer
missing-successor-since = what was changed in the log of { $log }, of a successor of its department, since record { $at }, from where on that is in dispute
missing-successor-unread = what record { $at } of the log of { $log }, of a successor of its department, says, which is of a later version of certmesh; upgrade this peer
missing-successor = what { $department } says of it, who changes its status by now: what the proof shows of it was signed before that was decided; get a new one
missing-rest = what the log of { $log } says up to where it ended when that department was removed, at { $size } records: the proof shows only a part of it; get a new one
missing-witness = another member's signature under the checkpoint of the proof: nobody but the issuer vouches for it, and an issuer can sign a history that it shows to nobody else

searched-nothing-held = nothing of the log of { $log } has arrived here yet
searched-not-among = it is not among the { $size } records known of the log of { $log }

definition-not-held = the definition of its type, record { $seq } of the log of { $log }, which has not arrived here
definition-disputed = an undisputed definition of its type: the log of { $log } is in dispute from record { $at } on
definition-known-to = the newest definition of its type: nobody has confirmed what is known of the log of { $log } since a day before the certificate was issued
definition-decisions = the members' decisions up to governance height { $height }, by which its record was written; they have not arrived here
definition-key-ended = whether the log of { $log } keeps it: the key that vouches for it ended after { $size } records, and what is shown does not reach that end
definition-later-version = what record { $seq } of the log of { $log } says, which defines its type: it is of a later version of certmesh; upgrade this peer

newest-behind = the newest records of its department: { $newest } are signed, and { $held }
newest-silent = confirmation that nothing newer was signed: { $held }, which no other member has confirmed { $minutes ->
        [none] since this peer started
       *[other] for { $minutes } minutes
    }
newest-decisions = the members' newest decisions, such as that a key was stolen: too few governing members have shown { $minutes ->
        [none] since this peer started
       *[other] for { $minutes } minutes
    } that they know of no later one
newest-unconfirmed = confirmation by other members that this department's own log is whole: what was recorded last, revocations among it, may be missing here

held-nothing = nothing of the log of { $log } has arrived here yet
held-up-to = the status is known up to record { $seq } of the log of { $log }, of { $time }

no-proof-later-version = record { $seq } of the log of { $log } is of a later version of certmesh, which this peer can't read; upgrade the peer
no-proof-missing = what is missing: { $missing }
no-proof-not-authorised = the certificate is not valid: { $why }
no-proof-claimed = several departments of its division claim to have issued it; they have to settle which of them did
no-proof-successor = the log of { $log }, of a successor of its department, has no signed head yet of since that department changes the certificate's status; ask again once it has recorded anything, or in 12 hours
no-proof-ended = no signed head over just what was kept of the log of { $log } is held here, of a successor of its department that was removed in its turn; ask another department's node for the proof
no-proof-decisions = what the log of { $log } says depends on the members' decisions up to governance height { $height }, which this peer had lost; ask again when they have arrived
no-proof-too-large = the proof would take { $found } bytes, at most { $limit } are allowed: its type was defined again too often

## A verdict in one sentence

not-valid = { $reason }{ $change ->
        [none] {""}
       *[other] { $change }
    }{ $place ->
        [none] {""}
       *[other] { $place }
    }
verdict-valid = genuine and in force
verdict-valid-by-proof = Genuine, and in force on { $on } by all that its issuer had recorded until { $until }.{ $witnessed ->
        [true] {""}
       *[false] {" "}Only the issuer vouches for that: no other department has signed this proof.
    }
verdict-not-valid = { not-valid }{ $unconfirmed ->
        [true] ; this department's own log is not yet confirmed by other members, so what was recorded last may be missing here
       *[false] {""}
    }
verdict-not-valid-by-proof = Not in force on { $on }: { not-valid }.
verdict-unknown = it can't be decided here; what is missing: { $missing }
verdict-unknown-by-proof = { $witness ->
        [true] The proof does not decide it: only the issuer vouches for it. Take a proof from the node of another department, or from the issuer's once the others have signed; where the issuer's word is enough, verify with --issuer-only.
       *[false] The proof does not decide it.
    }

change-recorded = { $time ->
        [none] {""}
       *[other] {" "}on { $time }
    }: { $cause }{ $text ->
        [none] {""}
       *[other] {" "}({ $text })
    }

place-also-by = {" "}and by { $ids }
place-taken-over = ; { $by }
place-open = ; { $name } ({ $to }) may take it over, which is not known here to have done so
place-open-outside = ; department { $to }, which is not a member of this network, may take it over, which is not known here to have done so
taker-of = { $name } ({ $department }) took it over as { $id }

## What the command `certmesh` itself says: what happened, and what to do about it

command-tls-authority = its TLS certificate is an authority's (CA:TRUE), as `openssl req -x509` makes by default, and not one for a server
command-tls-unknown = no authority that is trusted here has signed its TLS certificate
command-tls-name = its TLS certificate is for other hosts: { $names }
command-tls-expired = its TLS certificate has expired
command-tls-early = its TLS certificate is not valid yet by this machine's clock
command-tls-missing = it does not answer in TLS
command-tls-wanted = what answers there is not an HTTP server
command-meant = note: `{ $text }`: { $meant }
command-nothing-named = nothing is called `{ $text }`{ meant }
command-several-named = `{ $text }` is part of { $count } names:
meant =
    { $near ->
        [none] {""}
       *[other] ; did you mean { $near }?
    }
command-names-nothing = this names what does not exist here; nothing was recorded:
command-no-such-type = { $at }: no department defines type { $code }{ meant }
command-no-such-department = { $at }: { $code } is not a member of this network{ meant }
command-no-such-field = { $at }: the type has no field { $code }{ $near ->
        [none] ; it has { $fields }
       *[other] ; did you mean { $near }?
    }
command-no-such-matter = { $at }: no department has the sub-matter { $code }{ meant }
command-confirm = { $what } { $certificate }? This cannot be undone. [y/N]
command-not-confirmed = nothing was changed: the question was not answered with yes
command-not-an-identifier = `{ $text }` is not a certificate identifier, which has 10 parts between dots: this has { $parts }
command-no-identifier = the certificate identifier is empty
command-is-proof = this is a proof, and verifying it without a node needs the network's genesis
command-holder = holder's code: { $detail }
command-is-person = this is a person's number, not a certificate identifier
command-is-department = { $code } is a department's code, not a certificate identifier
command-is-certificate = this is a certificate identifier, not a person's or an organisation's code
command-several-kinds = the code can be an identity card's number or a unified social credit code
command-no-kind = the code's form does not show which kind of code it is
command-taken-for = note: taken for kind { $kind }, { $name } ({ $chinese })
command-is-table = { $file } is a table, not { $expected }
command-fields-wrong = { $count } fields are wrong:
command-case-continues = what was not collected can be later: accept the case again under the same reference
command-waits-for-grant = not accepted yet: nothing of it may be seen without a grant; once its issuer has granted it, accept the case again under the same reference

advice-find-held = `certmesh find --purpose TEXT` asks for the number and finds the person's certificates
advice-find-issued = `certmesh find --issuer { $code }` finds what it issued
advice-verify-it = `certmesh verify` says whether the certificate is valid
advice-give-kind = give it with { $option } KIND; `--help` lists the kinds
advice-import = `certmesh import FILE --type CODE --map MAP.toml` issues a certificate for each row
advice-fetch = `certmesh fetch { $id } --matter MATTER --purpose TEXT` retrieves what the matter needs of them
advice-network = add `--network network.toml`, the genesis file every member has
advice-versions = `certmesh type show` without --version lists the versions
advice-newest = it was replaced before: `certmesh history` shows what took its place; renew or amend that one
advice-compare = compare it with the certificate, character by character; `certmesh id check` checks many at once
advice-copies = copies are destroyed when their last day is over; `certmesh fetch` retrieves the fields again
advice-did-you-mean = did you mean { $near }?
advice-types = `certmesh type list` lists the types
advice-matters = `certmesh matter list` lists the matters
advice-name-one = give its code, or more of its name
advice-correct-or-force = correct it, or give --force if it will be defined later
advice-yes = answer y, or give --yes to not be asked
advice-tls-authority = make another on the node: openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.pem -days 365 -subj "/CN=HOST" -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:HOST
advice-tls-unknown = give its authority's certificate with --ca FILE; a self-signed certificate is its own authority
advice-tls-name = give --node the name that stands in the certificate, or have one made that names this host (subjectAltName)
advice-tls-renew = have the node's operator renew it (`tls_certificate` in node.toml)
advice-tls-clock = check this machine's clock and the node's
advice-tls-missing = is it an http:// address?
advice-tls-wanted = is it { $url }?

# What governance decides (certmesh-text, governance)
act-admit = admit { $department } ({ $code }) with { $roles }; its identity key is { $identity }
act-admit-governing = admit { $department } ({ $code }) as a governor, with { $roles }; its identity key is { $identity }
act-suspend = suspend { $department } from record { $size } of its log on (root { $root })
act-resume = end the suspension of { $department }
act-remove = remove { $department }: its log ends at record { $size } (root { $root }), and nobody changes its certificates' statuses any more
act-remove-to = remove { $department }: its log ends at record { $size } (root { $root }), and { $successor } changes its certificates' statuses from then on, for good: { $department } can't be admitted again
act-give = give { $department } { $roles }
act-take = take { $roles } from { $department }
act-govern = let { $department } govern
act-govern-no-more = end the governing of { $department }
act-cut-compromised = end the log of { $log } at record { $size } (root { $root }), since its operating key was in other hands; epoch { $epoch } goes on
act-cut-forked = end the log of { $log } at record { $size } (root { $root }), since it forked; epoch { $epoch } goes on
act-cut-lost = end the log of { $log } at record { $size } (root { $root }), since later records are lost; epoch { $epoch } goes on
act-identity = replace the identity key of { $department } by { $after }
act-catalogue-key = replace the catalogue key by one with the commitment { $after }: what is issued from then on is tagged under it; what was tagged before stays so, and whoever has an earlier key still finds that
act-policy = replace the policy: { $policy }
act-version = raise the format version to { $after }
act-unreadable = kind { $kind }, which this version of certmesh does not know: upgrade it before anybody signs this
act-operating = { $department } signs with the operating key { $key } from now on
act-transport = { $department } has the transport key { $key } from now on
act-sealing = { $department } has another sealing key from now on
act-lost = the log of { $log } goes on from record { $size } after a loss (root { $root }), by what { $by } stated to hold of it; what was signed beyond that counts for nothing
act-ended-rotated = epoch { $epoch } of { $department } ends at record { $size }
act-ended-stolen = epoch { $epoch } of { $department } ends at record { $size }: its key was in other hands
act-withdrawal = { $department } withdraws proposal { $proposal }
act-recovery = end the governing of { $departments }, who can't be reached
act-terms = more than { $decide } of the governors decide; { $witness } of the others witness a checkpoint; at least { $least } govern; { $pending } proposals of one may be pending; { $changes } own changes in 24 hours; a governor's word counts for { $fresh_s } s; { $recovery }
act-no-recovery = no recovery keys
act-recovery-keys = { $need } of { $keys } recovery keys

## Why something that a department signed counts for nothing
not-counting-not-a-member = department { $department } was not a member then
not-counting-suspended = department { $department } was suspended
not-counting-generation = its log was of another generation then
not-counting-cut = its log was ended before it
not-counting-suspended-before = its department was suspended before it
not-counting-removed = the department was removed before it
not-counting-not-in-force = the key was not in force then
not-counting-rotated = the key had been replaced
not-counting-stolen = the key was stolen, and ended before it
