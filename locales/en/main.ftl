# What callers read. Another language is one more folder with a file like this one; a test finds
# what is missing. Raw, a text is shown as [SR_…] with its name in capitals.

error-unauthenticated = The caller could not be authenticated.
error-xsrf-missing = X-XSRF-TOKEN HTTP header missing. Add X-XSRF-TOKEN HTTP header to use existing session, or add an Authorization header.
error-xsrf-wrong = The value of the X-XSRF-TOKEN HTTP header does not belong to this session.
error-application-not-trusted = This call needs a trusted application (SO-AppToken).
error-unknown-route = No resource was found at this URL.
error-unknown-user = There is no user with this id.
error-method-not-allowed = The resource does not support this method.
error-request-timeout = The request was not received in time.
error-identifier-taken = Another user has this identifier.
error-body-too-large = The request body is larger than 64 KiB.
error-uri-too-long = The URL is longer than 8 KiB.
error-unsupported-media-type = The media type of the request body is not supported.
error-misdirected-request = This service does not answer for this host.
error-headers-too-large = The request headers are too large.
error-overloaded = Too much is waiting; try again later.
error-database-unavailable = The database cannot be reached; nothing was changed.
error-key-unavailable = A key that is needed is not available.
error-shutting-down = The service is shutting down.
error-outcome-unknown = The outcome is unknown; the request may be repeated.
error-internal = An error has occurred.

forbidden-save-credential = You may save only your own password, in a request that carries the current one (Basic); otherwise use ChangeOwnPassword.
forbidden-issue-ticket = A ticket is given for a password (Basic) only, not for a ticket, a token or a session.
forbidden-end-ticket = Only a request that came with a ticket (SoTicket) can end its ticket.
forbidden-online-session = In an online installation only administrators have a session.
forbidden-foreign-page = Signing in and out is for the pages of this service, not for those of another site.
forbidden-login-page = This page is out of date. Try again.
forbidden-cross-origin = Pages of this origin may not send this request.

body-not-json = The request body is not valid JSON.
body-not-xml = The request body is not well-formed XML.
body-not-form = The request body is not a valid form: a percent sequence, a bracket or a key is broken.
body-control-character = The request body is a form with a line end or another control character that is not encoded.
body-not-utf8 = The request body is not valid UTF-8.
body-not-utf16 = The request body is not valid UTF-16 (little-endian).
body-foreign-charset = The request body is in a charset that is neither UTF-8 nor UTF-16.
body-byte-order-mark = The request body starts with a byte order mark, which UTF-8 has no use for.
body-document-type = The request body has a document type declaration (DTD), which is not accepted.
body-too-deep = The request body is nested too deeply.
body-too-many-values = The request body has too many members.
body-not-object = The request body is not an object.
body-ended-early = The request body ended too early.
body-repeated-member = A member of the request body is given more than once.
body-framework = The request could not be read.

field-repeated = is given more than once
field-required = is required
field-empty = must not be empty
field-not-positive = must be positive
field-not-integer = must be a whole number
field-out-of-range = is out of range
field-not-boolean = must be true or false
field-not-text = must be a text
field-not-object = must be an object
field-not-list = must be a list
field-nul = must not contain NUL
field-too-many-bytes = must have at most { $limit } bytes
field-too-many-characters = must have at most { $limit } characters
field-name-characters = must not contain a control character or a colon
field-unknown-type = is not a known credential type
field-ticket = tickets cannot be saved

credential-type-password = Password
credential-type-password-description = Logs in with a user name and a password.
credential-type-active-directory = Active Directory
credential-type-active-directory-description = Logs in with an account of the Windows domain.

page-sign-in = Sign in
page-sign-out = Sign out
page-user-name = User name
page-password = Password
page-signed-in = You are signed in as { $name }.
page-refused = User name or password is wrong.
page-try-later = That did not work just now. Try again in a moment.
