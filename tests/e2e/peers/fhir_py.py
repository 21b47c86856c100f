"""Uses the FHIR API with `fhirpy`: ADDRESS, TOKEN, PATIENT and the file of the site's root as arguments.

Prints one JSON document: what each step was answered.
"""

import json
import sys

from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import AuthorizationError, OperationOutcome, ResourceNotFound

address, token, patient, root = sys.argv[1:]
client = SyncFHIRClient(address, authorization=f"Bearer {token}", requests_config={"verify": root})
said = {}


def refused(work, kind):
    try:
        work()
    except kind as error:
        text = str(error)
        return "OperationOutcome" in text or "HAECHI-07" in text
    return False


whole = client.reference("Patient", patient).to_resource()
said["patient"] = whole.id
number = f"{whole['identifier'][0]['system']}|{whole['identifier'][0]['value']}"
results = client.resources("Observation").search(patient=patient)
said["count"] = results.count()
said["seen"] = len(results.sort("-date").limit(7).fetch_all())
said["since"] = len(results.search(date__ge="2000-01-01").limit(500).fetch_all())
said["chained"] = client.resources("Observation").search(subject__Patient__identifier=number).limit(500).count()
said["first"] = client.resources("Encounter").search(patient=patient).sort("-date").first().resource_type

made = client.resource("Patient", name=[{"family": "임", "given": ["꺽정"]}], identifier=[{"system": "urn:t", "value": "7"}])
made.save()
said["made"] = bool(made.id)
made["birthDate"] = "1970-01-01"
made.save()
said["changed"] = client.reference("Patient", made.id).to_resource()["birthDate"]
said["found"] = client.resources("Patient").search(identifier="urn:t|7").get().id == made.id
again, created = client.resources("Patient").search(identifier="urn:t|8").update(
    client.resource("Patient", identifier=[{"system": "urn:t", "value": "8"}])
)
said["conditional"] = created and again.id != made.id
_, created = client.resources("Patient").search(identifier="urn:t|8").update(
    client.resource("Patient", identifier=[{"system": "urn:t", "value": "8"}], gender="other")
)
said["conditional_again"] = created
made.delete()
said["gone"] = refused(lambda: client.reference("Patient", made.id).to_resource(), ResourceNotFound)
said["invalid"] = refused(
    lambda: client.resource("Patient", id="x y", name=[{"family": "x"}]).save(), (OperationOutcome, ResourceNotFound)
)
stranger = SyncFHIRClient(address, authorization="Bearer wrong", requests_config={"verify": root})
said["stranger"] = refused(lambda: stranger.resources("Patient").fetch(), AuthorizationError)
print(json.dumps(said))
