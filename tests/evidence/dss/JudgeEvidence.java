import eu.europa.esig.dss.detailedreport.DetailedReport;
import eu.europa.esig.dss.diagnostic.DiagnosticData;
import eu.europa.esig.dss.diagnostic.SignatureWrapper;
import eu.europa.esig.dss.diagnostic.TimestampWrapper;
import eu.europa.esig.dss.jaxb.object.Message;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import eu.europa.esig.dss.validation.reports.Reports;
import java.io.File;
import java.util.List;

/**
 * Judges evidence files with EU DSS and prints every finding: JudgeEvidence ROOT.pem|- FILE...
 * With "-" nobody is trusted. Exit code 1 where a finding is about anything but trust.
 */
public final class JudgeEvidence {

    /** What DSS says where a path or its revocation data is missing; anything else is ours to mend. */
    private static final List<String> TRUST =
            List.of("NO_CERTIFICATE_CHAIN_FOUND", "TRY_LATER", "CERTIFICATE_CHAIN_GENERAL_FAILURE", "null");

    private JudgeEvidence() {
    }

    public static void main(String[] arguments) {
        boolean clean = true;
        for (int i = 1; i < arguments.length; i++) {
            clean &= judge(arguments[0], new File(arguments[i]));
        }
        System.exit(clean ? 0 : 1);
    }

    private static boolean judge(String root, File file) {
        CommonCertificateVerifier verifier = new CommonCertificateVerifier();
        if (!"-".equals(root)) {
            CommonTrustedCertificateSource trusted = new CommonTrustedCertificateSource();
            trusted.addCertificate(DSSUtils.loadCertificate(new File(root)));
            verifier.setTrustedCertSources(trusted);
        }
        SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(new FileDocument(file));
        validator.setCertificateVerifier(verifier);
        Reports reports = validator.validateDocument();
        SimpleReport simple = reports.getSimpleReport();
        DetailedReport detailed = reports.getDetailedReport();
        DiagnosticData data = reports.getDiagnosticData();
        System.out.println(file.getName() + ": " + simple.getContainerType() + ", "
                + simple.getSignaturesCount() + " signatures");
        boolean clean = simple.getSignaturesCount() > 0;
        for (String id : simple.getSignatureIdList()) {
            SignatureWrapper signature = data.getSignatureById(id);
            String sub = String.valueOf(simple.getSubIndication(id));
            System.out.println("  " + signature.getFilename() + ": " + simple.getSignatureFormat(id)
                    + ", " + simple.getIndication(id) + " " + sub
                    + "; signature intact " + signature.isSignatureIntact()
                    + ", valid " + signature.isSignatureValid()
                    + ", structure " + signature.isStructuralValidationValid()
                    + ", references " + signature.getDigestMatchers().size()
                    + ", found and intact " + signature.getDigestMatchers().stream()
                            .filter(one -> one.isDataFound() && one.isDataIntact()).count());
            signature.getStructuralValidationMessages().forEach(one -> System.out.println("    structure: " + one));
            print("error", simple.getAdESValidationErrors(id));
            print("warning", simple.getAdESValidationWarnings(id));
            print("info", simple.getAdESValidationInfo(id));
            clean &= signature.isSignatureIntact() && signature.isStructuralValidationValid() && TRUST.contains(sub);
            for (TimestampWrapper stamp : signature.getTimestampList()) {
                String why = String.valueOf(detailed.getBasicTimestampValidationSubIndication(stamp.getId()));
                System.out.println("    timestamp " + stamp.getType() + " " + stamp.getProductionTime()
                        + ": " + detailed.getBasicTimestampValidationIndication(stamp.getId()) + " " + why
                        + "; imprint intact " + stamp.isMessageImprintDataIntact()
                        + ", signature intact " + stamp.isSignatureIntact());
                clean &= stamp.isMessageImprintDataIntact() && stamp.isSignatureIntact() && TRUST.contains(why);
            }
        }
        return clean;
    }

    private static void print(String kind, List<Message> messages) {
        messages.forEach(one -> System.out.println("    " + kind + " " + one.getKey() + ": " + one.getValue()));
    }
}
